// depthwise_f32: one row of one channel of a depthwise convolution.
//
//   y[x] = clip(bias + sum_t weight[t] * row[offsets[t] + x] + residual[x])     x in [0, width)
//
// The row is padded and, for a stride above 1, split by phase (ops/convolution.h), so every tap reads contiguously;
// up to 4 vectors are read past the last pixel.
#pragma once

#include <stdint.h>

namespace dsf {

struct DepthwiseRow {
    const float* row;
    const int64_t* offsets;   // [taps]
    const float* weight;      // [taps]
    int64_t taps;
    float bias;
    const float* residual;    // [width], or null
    bool clip;
    float low, high;
    float* y;                 // [width]
    int64_t width;
};

struct DepthwiseF32 {
    const char* name;
    void (*row)(const DepthwiseRow& row);
};

constexpr int DEPTHWISE_SLACK = 64;  // floats readable past the end of a row

extern const DepthwiseF32 depthwise_f32_scalar, depthwise_f32_avx2, depthwise_f32_avx512;

}  // namespace dsf
