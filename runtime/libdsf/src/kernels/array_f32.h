// array_f32: functions of arrays of float32, for element-wise ops, softmax and sums. x and y may be the same array.
//
// Error bounds in units in the last place, measured over all float32 against double, stand in array_f32.inl at each
// polynomial. NaN gives NaN everywhere.
#pragma once

#include <stdint.h>

namespace dsf {

struct ArrayF32 {
    const char* name;
    void (*exp)(const float* x, float* y, int64_t count);
    void (*log)(const float* x, float* y, int64_t count);
    void (*tanh)(const float* x, float* y, int64_t count);
    void (*sigmoid)(const float* x, float* y, int64_t count);
    void (*erf)(const float* x, float* y, int64_t count);
    void (*gelu)(const float* x, float* y, int64_t count);       // x / 2 * (1 + erf(x / sqrt(2)))
    // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
    void (*gelu_tanh)(const float* x, float* y, int64_t count);
    float (*max)(const float* x, int64_t count);                 // count >= 1; NaN if there is one
    double (*sum)(const float* x, int64_t count);
    double (*sum_squares)(const float* x, float mean, int64_t count);            // sum (x - mean)^2
    double (*exp_sum)(const float* x, float shift, float* y, int64_t count);     // y = exp(x - shift); returns its sum
};

extern const ArrayF32 array_f32_scalar, array_f32_avx2, array_f32_avx512;

}  // namespace dsf
