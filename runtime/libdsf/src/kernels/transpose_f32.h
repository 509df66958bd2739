// transpose_f32: y[column][row] = x[row][column]; the rows of each lie `stride` floats apart.
#pragma once

#include <stdint.h>

namespace dsf {

struct TransposeF32 {
    const char* name;
    void (*run)(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t rows, int64_t columns);
};

extern const TransposeF32 transpose_f32_scalar, transpose_f32_neon, transpose_f32_avx2, transpose_f32_avx512;

}  // namespace dsf
