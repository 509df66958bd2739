// gemv_shift: products of a few rows of activations with weights that stay in their packed codes (codecs/form.h).
//
//   y[i][o] = clip(bias[o] + residual[i][o] + sum_k x[i][k] * weight[o][k])          i in [0, m)
//
// The codes are decoded in registers: a level picks the value of its channel from a table, a sign bit negates it. Nothing
// is expanded in memory, so a layer of one row reads 1 to 6 bits a weight and is bound by that. All rows of one output o
// are summed in one order, whoever computes it: the answer does not depend on how outputs are cut into tasks.
#pragma once

#include <stdint.h>

namespace dsf {

// A weight of [outputs][k] in planes whose rows begin at whole bytes: sign 1 bit a weight, low 0, 1, 2 or 4, high 0 or 1.
struct ShiftRows {
    const uint8_t *sign, *low, *high;              // row 0; null where the code has no such plane
    int64_t sign_stride, low_stride, high_stride;  // bytes a row
    int64_t k;                                     // weights a row
    int bits;
    bool zero;  // the highest level is the weight 0
    const int8_t* base;
    int64_t base_step;   // 0: one for all outputs
    const float* scale;  // null: 1
    int64_t scale_step;
};

struct GemvShift {
    ShiftRows weight;
    const void* x;          // [m][x_stride] as arrange or arrange_bf16 lays it out
    int64_t x_stride;       // elements
    int m;                  // 1, 2 or 4
    const float* bias;      // [outputs], or null
    const float* residual;  // [m][y_stride], or null
    bool clip;
    float low, high;
    float* y;  // [m][y_stride]
    int64_t y_stride;
};

constexpr int GEMV_BLOCK = 64;     // weights that are decoded together: rows of x are padded to such blocks
constexpr int GEMV_MOST_ROWS = 4;  // of x at once

struct GemvShiftF32 {
    const char* name;  // "avx512", for a profile
    int most_rows;     // of x, up to which decoding again beats multiplying weights that were expanded once (measured)
    void (*rows)(const GemvShift& g, int64_t first, int64_t last);  // outputs [first, last)
    // Lays a row of x out as rows wants it, in an order of its own: k numbers, then zeros up to a multiple of 64. Null:
    // in x's order.
    void (*arrange)(int bits, const float* x, float* to, int64_t k);
    // The same for bfloat16, null where the instruction set has no products of them. Numbers round to nearest even.
    int most_rows_bf16;
    void (*rows_bf16)(const GemvShift& g, int64_t first, int64_t last);
    void (*arrange_bf16)(int bits, const float* x, uint16_t* to, int64_t k);
};

extern const GemvShiftF32 gemv_shift_scalar, gemv_shift_neon, gemv_shift_avx2, gemv_shift_avx512, gemv_shift_avx512bf16;

}  // namespace dsf
