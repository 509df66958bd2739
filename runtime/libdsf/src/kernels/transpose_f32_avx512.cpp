// transpose_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define TRANSPOSE_LABEL "transpose_f32_avx512"
#define TRANSPOSE_NAME transpose_f32_avx512
#include "transpose_f32.inl"
#endif
