// functions: the element-wise operators of one and of two inputs, in float32; elementwise.py has the same lists
#pragma once
#include "dsc_prim.h"

enum Unary : i32 {
    IDENTITY, ABS, NEG, CLIP, LEAKY_RELU, ELU, SIGMOID, TANH, ERF, EXP, LOG, SQRT, RECIPROCAL, GELU, GELU_TANH,
    HARD_SIGMOID, HARD_SWISH, SILU, FLOOR
};
enum Binary : i32 { ADD, SUB, MUL, DIV, POW, PRELU };

DEVICE f32 sigmoid(f32 x) {
    return 1.0f / (1.0f + expf(-x));
}
DEVICE f32 between(f32 x, f32 low, f32 high) {  // NaN stays NaN
    x = x < low ? low : x;
    return x > high ? high : x;
}

// Without a difference that would cancel below 0. From -20 down they are -0, the limit at -infinity.
DEVICE f32 gelu(f32 x) {
    x = x < -20.0f ? -20.0f : x;
    return 0.5f * x * erfcf(x * -0.70710678f);
}
DEVICE f32 gelu_tanh(f32 x) {
    x = x < -20.0f ? -20.0f : x;
    return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
}

// a and b: the operator's parameters, alpha and beta or the ends of clip.
DEVICE f32 unary(i32 op, f32 x, f32 a, f32 b) {
    switch (op) {
        case ABS: return fabsf(x);
        case NEG: return -x;
        case CLIP: return between(x, a, b);
        case LEAKY_RELU: return x >= 0.0f ? x : a * x;
        case ELU: return x >= 0.0f ? x : a * expm1f(x);
        case SIGMOID: return sigmoid(x);
        case TANH: return tanhf(x);
        case ERF: return erff(x);
        case EXP: return expf(x);
        case LOG: return logf(x);
        case SQRT: return sqrtf(x);
        case RECIPROCAL: return 1.0f / x;
        case GELU: return gelu(x);
        case GELU_TANH: return gelu_tanh(x);
        case HARD_SIGMOID: return between(a * x + b, 0.0f, 1.0f);
        case HARD_SWISH: return x * between(x / 6.0f + 0.5f, 0.0f, 1.0f);
        case FLOOR: return floorf(x);
        case SILU: return x * sigmoid(x);
        default: return x;
    }
}

DEVICE f32 binary(i32 op, f32 a, f32 b) {
    switch (op) {
        case ADD: return a + b;
        case SUB: return a - b;
        case MUL: return a * b;
        case DIV: return a / b;
        case POW: return powf(a, b);
        default: return a >= 0.0f ? a : b * a;  // prelu
    }
}
