// decode_f32: packed codes of shift weights into the 32-bit cells that panel_f32 and panel_bf16 multiply by.
//
//   to[i] = table[codes[i]]                                  cells of one float
//   to[i] = (table[codes[2 i]], table[codes[2 i + 1]])       cells of two bfloat16 numbers: the high halves of the table
#pragma once

#include <stdint.h>

namespace dsf {

constexpr int DECODE_CODES = 64;

struct DecodeF32 {
    const char* name;
    void (*floats)(const uint8_t* codes, const float* table, float* to, int64_t cells);  // table: [DECODE_CODES]
    void (*pairs)(const uint8_t* codes, const float* table, float* to, int64_t cells);
};

extern const DecodeF32 decode_f32_scalar, decode_f32_avx512;

}  // namespace dsf
