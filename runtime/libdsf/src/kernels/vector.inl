// Vectors of the instruction set this file is compiled for, with the compiler's vector extensions.
#pragma once

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace dsf {
namespace {

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;  // SSE2, NEON
#endif

typedef float Vec __attribute__((vector_size(WIDTH * 4)));
typedef int32_t IntVec __attribute__((vector_size(WIDTH * 4)));

#define DSF_INLINE static inline __attribute__((always_inline))

DSF_INLINE Vec load(const float* from) {
    Vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

DSF_INLINE void store(float* to, Vec v) { memcpy(to, &v, sizeof v); }

// The first count floats, 1 <= count <= WIDTH; the others are 0 and are not touched in memory.
#if defined(__AVX512F__)
DSF_INLINE __mmask16 some(int count) { return (__mmask16)(0xFFFFu >> (16 - count)); }
DSF_INLINE Vec load_some(const float* from, int count) { return (Vec)_mm512_maskz_loadu_ps(some(count), from); }
DSF_INLINE void store_some(float* to, Vec v, int count) { _mm512_mask_storeu_ps(to, some(count), (__m512)v); }
#elif defined(__AVX2__)
DSF_INLINE __m256i some(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
DSF_INLINE Vec load_some(const float* from, int count) { return (Vec)_mm256_maskload_ps(from, some(count)); }
DSF_INLINE void store_some(float* to, Vec v, int count) { _mm256_maskstore_ps(to, some(count), (__m256)v); }
#else
DSF_INLINE Vec load_some(const float* from, int count) {
    Vec v = {};
    for (int i = 0; i < count; ++i) v[i] = from[i];
    return v;
}
DSF_INLINE void store_some(float* to, Vec v, int count) {
    for (int i = 0; i < count; ++i) to[i] = v[i];
}
#endif

// sum + x * y, rounded once wherever there is an instruction for it: the compiler contracts some of its own choice, and
// sums that are made in two places must be made alike.
DSF_INLINE Vec multiply_add(Vec sum, Vec x, Vec y) {
#if defined(__AVX512F__)
    return (Vec)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)sum);
#elif defined(__AVX2__)
    return (Vec)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)sum);
#elif defined(__ARM_NEON)
    return (Vec)vfmaq_f32((float32x4_t)sum, (float32x4_t)x, (float32x4_t)y);
#else
    return sum + x * y;
#endif
}

DSF_INLINE Vec splat(float x) { return x - Vec{}; }

// x, rounded: the compiler may not contract it with what follows, here more than there. Tiles of different sizes must
// give the same answers.
DSF_INLINE Vec rounded(Vec x) {
#if defined(__x86_64__)
    asm("" : "+v"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#else
    asm("" : "+m"(x));
#endif
    return x;
}

DSF_INLINE Vec select(IntVec mask, Vec yes, Vec no) { return (Vec)((mask & (IntVec)yes) | (~mask & (IntVec)no)); }

// x, or low where x < low. NaN stays NaN: every comparison with it is false; x86's maximum is its second operand then.
DSF_INLINE Vec at_least(Vec x, Vec low) {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_max_ps((__mmask16)0xffff, (__m512)low, (__m512)x);
#elif defined(__AVX2__)
    return (Vec)_mm256_max_ps((__m256)low, (__m256)x);
#else
    return select(x < low, low, x);
#endif
}

// x, or high where x > high. NaN stays NaN.
DSF_INLINE Vec at_most(Vec x, Vec high) {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_min_ps((__mmask16)0xffff, (__m512)high, (__m512)x);
#elif defined(__AVX2__)
    return (Vec)_mm256_min_ps((__m256)high, (__m256)x);
#else
    return select(x > high, high, x);
#endif
}

DSF_INLINE Vec clamp(Vec x, Vec low, Vec high) { return at_most(at_least(x, low), high); }

}  // namespace
}  // namespace dsf
