// pool_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define POOL_LABEL "pool_f32_avx512"
#define POOL_NAME pool_f32_avx512
#include "pool_f32.inl"
#endif
