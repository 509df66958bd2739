// pool_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define POOL_LABEL "pool_f32_avx2"
#define POOL_NAME pool_f32_avx2
#include "pool_f32.inl"
#endif
