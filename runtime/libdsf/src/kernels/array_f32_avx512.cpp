// array_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define ARRAY_LABEL "array_f32_avx512"
#define ARRAY_NAME array_f32_avx512
#include "array_f32.inl"
#endif
