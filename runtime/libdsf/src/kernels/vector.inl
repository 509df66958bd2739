// Vectors of the instruction set this file is compiled for, with the compiler's vector extensions.
#include <stdint.h>
#include <string.h>

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

DSF_INLINE Vec splat(float x) { return x - Vec{}; }

DSF_INLINE Vec select(IntVec mask, Vec yes, Vec no) {
    return (Vec)((mask & (IntVec)yes) | (~mask & (IntVec)no));
}

// NaN stays NaN: every comparison with it is false.
DSF_INLINE Vec clamp(Vec x, Vec low, Vec high) {
    x = select(x < low, low, x);
    return select(x > high, high, x);
}

}  // namespace
}  // namespace dsf
