// Functions of vectors that several kernel families use.
#pragma once

#include "vector.inl"

namespace dsf {
namespace {

constexpr float ROUND = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits

DSF_INLINE Vec power_of_two(IntVec exponent) { return (Vec)((exponent + 127) << 23); }  // -126..127
DSF_INLINE Vec magnitude(Vec x) { return (Vec)((IntVec)x & 0x7fffffff); }
DSF_INLINE Vec with_sign_of(Vec x, Vec sign) { return (Vec)((IntVec)x | ((IntVec)sign & (int32_t)0x80000000)); }

// e^x = 2^n * e^r, |r| <= ln(2) / 2. Within 2 ulp; over- and underflow as they should, subnormal results included.
DSF_INLINE Vec exp_of(Vec x) {
    const Vec clipped = clamp(x, splat(-104.0f), splat(89.0f));
    const Vec shifted = clipped * 1.44269504f + ROUND;
    const Vec n = shifted - ROUND;
    Vec r = clipped - n * 0.693359375f;  // ln(2) in two parts: the first has 9 bits, so the product is exact
    r = r - n * -2.12194440e-4f;
    Vec p = splat(1.395059982e-03f);
    p = p * r + 8.368954062e-03f;
    p = p * r + 4.166620597e-02f;
    p = p * r + 1.666651815e-01f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    const IntVec exponent = (IntVec)shifted - 0x4b400000;  // the bits of ROUND
    const IntVec half = exponent >> 1;                     // in two steps: -150..129 is more than one exponent holds
    return p * power_of_two(half) * power_of_two(exponent - half);
}

// Within 3 ulp on both sides of 0: the exponential never grows.
DSF_INLINE Vec sigmoid_of(Vec x) {
    const Vec e = exp_of(-magnitude(x));
    return select(x < 0.0f, e, splat(1.0f)) / (1.0f + e);
}

// The activations of activation.h beyond a clip; the formulas of the ops of the same name.

// x / (1 + e^-x), within 4 ulp for x above -87; below, where it is smaller than 1e-35, within 1e-35. NaN stays NaN.
DSF_INLINE Vec silu_of(Vec x) {
    const Vec low = at_least(x, splat(-87.0f));
    const Vec clipped = at_most(low, splat(87.0f));
    const Vec shifted = ROUND - clipped * 1.44269504f;
    const Vec n = ROUND - shifted;  // of -x: r = n ln(2) - x
    Vec r = n * 0.693359375f - clipped;
    r = r - n * 2.12194440e-4f;
    Vec p = splat(1.395059982e-03f);
    p = p * r + 8.368954062e-03f;
    p = p * r + 4.166620597e-02f;
    p = p * r + 1.666651815e-01f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    return low / (1.0f + p * (Vec)(((IntVec)shifted - 0x4b400000 + 127) << 23));
}
DSF_INLINE Vec hard_swish_of(Vec x) { return x * clamp(x * (1.0f / 6.0f) + 0.5f, Vec{}, splat(1.0f)); }

}  // namespace
}  // namespace dsf
