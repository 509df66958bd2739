// pool_f32: one pixel of a max or average pool over an image whose channels are stored last.
//
//   y[c] = max over (i, j) of from[i * row_stride + j * column_stride + c], or their sum / divisor
//
// A window without a pixel has the maximum -infinity and the sum 0.
#pragma once

#include <stdint.h>

namespace dsf {

struct PoolPixel {
    const float* from;
    int64_t rows, columns;  // of the window, those inside the image
    int64_t row_stride, column_stride;
    int64_t channels;
    float divisor;  // average
    float* y;
};

struct PoolF32 {
    const char* name;
    void (*max)(const PoolPixel& pixel);
    void (*average)(const PoolPixel& pixel);
};

extern const PoolF32 pool_f32_scalar, pool_f32_neon, pool_f32_avx2, pool_f32_avx512;

}  // namespace dsf
