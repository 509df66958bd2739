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
    void (*gelu)(const float* x, float* y, int64_t count);  // x / 2 * (1 + erf(x / sqrt(2)))
    // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
    void (*gelu_tanh)(const float* x, float* y, int64_t count);
    float (*max)(const float* x, int64_t count);  // count >= 1; NaN if there is one
    double (*sum)(const float* x, int64_t count);
    double (*sum_squares)(const float* x, float mean, int64_t count);         // sum (x - mean)^2
    double (*exp_sum)(const float* x, float shift, float* y, int64_t count);  // y = exp(x - shift); returns its sum
    // y[i] = a[i * a_step] op b[i * b_step]; a step is 0 or 1. y may be a or b.
    void (*add)(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count);
    void (*subtract)(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count);
    void (*multiply)(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count);
    void (*divide)(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t count);
    void (*clip)(const float* x, float low, float high, float* y, int64_t count);  // NaN stays NaN
    void (*hard_swish)(const float* x, float* y, int64_t count);                   // x * clip(x / 6 + 0.5, 0, 1)
    // y = (x - mean) * factor * scale + bias; bias may be null
    void (*normalize)(const float* x, float mean, float factor, const float* scale, const float* bias, float* y,
                      int64_t count);
    // sums[i] += sum over rows of x[row * stride + i], in float32 over 32 rows at a time
    void (*add_rows)(const float* x, int64_t stride, int64_t rows, double* sums, int64_t count);
};

extern const ArrayF32 array_f32_scalar, array_f32_neon, array_f32_avx2, array_f32_avx512;

}  // namespace dsf
