// array_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define ARRAY_LABEL "array_f32_avx2"
#define ARRAY_NAME array_f32_avx2
#include "array_f32.inl"
#endif
