// winograd_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define WINOGRAD_LABEL "winograd_4x4_avx512"
#define WINOGRAD_NAME winograd_f32_avx512
#include "winograd_f32.inl"
#endif
