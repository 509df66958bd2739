// transpose_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define TRANSPOSE_LABEL "transpose_f32_avx2"
#define TRANSPOSE_NAME transpose_f32_avx2
#include "transpose_f32.inl"
#endif
