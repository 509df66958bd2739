// decode_f32 for any CPU: a look-up.
#include <string.h>

#include "decode_f32.h"

namespace dsf {
namespace {

void floats(const uint8_t* codes, const float* table, float* to, int64_t cells) {
    for (int64_t i = 0; i < cells; ++i) to[i] = table[codes[i]];
}

void pairs(const uint8_t* codes, const float* table, float* to, int64_t cells) {
    for (int64_t i = 0; i < cells; ++i) {
        uint32_t low, high;
        memcpy(&low, table + codes[2 * i], sizeof low);
        memcpy(&high, table + codes[2 * i + 1], sizeof high);
        const uint32_t cell = low >> 16 | (high & 0xffff0000u);
        memcpy(to + i, &cell, sizeof cell);
    }
}

}  // namespace

extern const DecodeF32 decode_f32_scalar;
const DecodeF32 decode_f32_scalar = {"decode_f32_scalar", floats, pairs};

}  // namespace dsf
