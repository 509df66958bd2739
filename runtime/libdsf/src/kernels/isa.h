// Instruction sets: the table of kernel families, from which one row is chosen once, when it is first needed.
//
//   ISAS (isa.cpp)    avx512, avx2, scalar on x86-64; neon on aarch64; scalar elsewhere
//   DSF_ISA=<name>    environment: rows above <name> are skipped. For tests; any other name changes nothing.
//
// A family has one source file an instruction set, compiled with that set's flags. Such a file includes only C headers,
// the family's header and .inl files whose functions are in an anonymous namespace: an inline function shared with the
// rest of the library could otherwise be linked in its AVX-512 form everywhere.
#pragma once

#include "array_f32.h"
#include "depthwise_f32.h"
#include "gemm_f32.h"

namespace dsf {

struct Isa {
    const char* name;
    bool (*available)();
    const GemmF32* gemm;
    const DepthwiseF32* depthwise;
    const ArrayF32* array;
};

const Isa& isa();
inline const char* isa_name() { return isa().name; }

}  // namespace dsf
