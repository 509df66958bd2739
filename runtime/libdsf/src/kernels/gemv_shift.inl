// What every gemv_shift file shares: the values of a channel's levels, the last block of a row, the end of an output.
#include <math.h>
#include <string.h>

#include "codecs/planes.h"
#include "gemv_shift.h"

namespace dsf {
namespace {

// 2^exponent for -149..127, subnormal numbers included.
static inline float power_of_two_float(int exponent) {
    const uint32_t bits = exponent >= -126 ? (uint32_t)(exponent + 127) << 23 : (uint32_t)1 << (exponent + 149);
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

// table[level], repeated to 32 entries: bits of an index above the level's then do not matter. The same float32 numbers
// as decoding gives: scale times the (rounded, where subnormal) power of two.
static inline void level_values(const ShiftRows& weight, int64_t output, float table[32]) {
    const int levels = 1 << (weight.bits - 1);
    const float scale = weight.scale ? weight.scale[output * weight.scale_step] : 1.0f;
    const float highest = power_of_two_float(weight.base[output * weight.base_step]);
    for (int i = 0; i < 32; ++i) {
        const uint32_t bits = (uint32_t)(127 - (i & (levels - 1))) << 23;  // 2^-level
        float power;
        memcpy(&power, &bits, sizeof power);
        table[i] = scale * (power * highest);
    }
    if (weight.zero)
        for (int i = levels - 1; i < 32; i += levels) table[i] = 0.0f;
}

// Where the codes of 64 weights lie.
struct CodeBlock {
    const uint8_t *sign, *low, *high;
};

static inline CodeBlock block_of(const ShiftRows& weight, int64_t output, int64_t block) {
    const int low = LOW_WIDTH[weight.bits], high = HIGH_WIDTH[weight.bits];
    return {weight.sign + output * weight.sign_stride + block * 8,
            low ? weight.low + output * weight.low_stride + block * 8 * low : nullptr,
            high ? weight.high + output * weight.high_stride + block * 8 : nullptr};
}

// A copy of a row's last, partial block: whole blocks can be loaded from it. Its unused codes meet zeros of x.
struct LastBlock {
    uint8_t sign[8], low[32], high[8];

    LastBlock(const ShiftRows& weight, int64_t output) : sign{}, low{}, high{} {
        const int64_t block = weight.k / GEMV_BLOCK, rest = weight.k % GEMV_BLOCK;
        const CodeBlock from = block_of(weight, output, block);
        memcpy(sign, from.sign, (size_t)(rest + 7) / 8);
        if (from.low) memcpy(low, from.low, (size_t)(rest * LOW_WIDTH[weight.bits] + 7) / 8);
        if (from.high) memcpy(high, from.high, (size_t)(rest + 7) / 8);
    }
    CodeBlock codes() const { return {sign, low, high}; }
};

// A sum of products with 2^-level, times the channel's scale * 2^base.
static inline float scaled(const ShiftRows& weight, int64_t output, float sum) {
    const double scale = weight.scale ? weight.scale[output * weight.scale_step] : 1.0f;
    return (float)(ldexp(scale, weight.base[output * weight.base_step]) * sum);
}

static inline void finish(const GemvShift& g, int i, int64_t output, float sum) {
    if (g.bias) sum += g.bias[output];
    if (g.residual) sum += g.residual[i * g.y_stride + output];
    if (g.clip) {
        sum = sum < g.low ? g.low : sum;  // NaN stays NaN
        sum = sum > g.high ? g.high : sum;
    }
    g.y[i * g.y_stride + output] = sum;
}

}  // namespace
}  // namespace dsf
