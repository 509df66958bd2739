// winograd_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define WINOGRAD_LABEL "winograd_4x4_avx2"
#define WINOGRAD_NAME winograd_f32_avx2
#include "winograd_f32.inl"
#endif
