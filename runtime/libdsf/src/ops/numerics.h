// What a session asks of the numbers it computes with: dsf_session_options, as a value that plans and ops pass on.
#pragma once

#include <cstdint>

namespace dsf {

enum class Memory : uint8_t { fast, low };             // dsf_memory
enum class Precision : uint8_t { float32, bfloat16 };  // dsf_precision

struct Numerics {
    Memory memory = Memory::fast;
    Precision precision = Precision::float32;

    // Weights stay packed where a kernel can decode them as it goes.
    bool keeps_codes() const { return memory == Memory::low; }
    // Products of bfloat16 activations; only where isa().has_bf16().
    bool multiplies_bf16() const { return precision == Precision::bfloat16; }
};

}  // namespace dsf
