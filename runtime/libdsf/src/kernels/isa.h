// Instruction sets: the table of kernel families, from which one row is chosen once, when it is first needed.
//
//   ISAS (isa.cpp)    avx512bf16, avx512, avx2, scalar on x86-64; neon, scalar on aarch64; scalar elsewhere
//   DSF_ISA=<name>    environment: that row, whatever else there is. A name that this CPU cannot run is an error.
//
// A family has one source file an instruction set, compiled with that set's flags. Such a file includes only C headers,
// the family's header, codecs/planes.h and .inl files whose functions are in an anonymous namespace: an inline function
// shared with the rest of the library could otherwise be linked in its AVX-512 form everywhere.
#pragma once

#include <string>

#include "array_f32.h"
#include "decode_f32.h"
#include "depthwise_f32.h"
#include "gemv_shift.h"
#include "panel_bf16.h"
#include "pool_f32.h"
#include "transpose_f32.h"
#include "winograd_f32.h"

namespace dsf {

struct Isa {
    const char* name;
    const char* needs;  // for a person: CPU features
    bool (*available)();
    const DepthwiseF32* depthwise;
    const ArrayF32* array;
    const PanelF32* panel;
    const WinogradF32* winograd;
    const PoolF32* pool;
    const GemvShiftF32* gemv;
    const DecodeF32* decode;
    const TransposeF32* transpose;
    const PanelBf16* panel_bf16;  // null: no kernels for bfloat16 activations

    bool has_bf16() const { return panel_bf16 != nullptr; }
};

const Isa& isa();          // the chosen row; throws an Error where DSF_ISA names none that this CPU has
const Isa* isa_or_null();  // the same, or null
int isa_count();
const Isa& isa_at(int index);
std::string isas_with_bf16();  // names

}  // namespace dsf
