// depthwise_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define DEPTHWISE_LABEL "depthwise_f32_avx512"
#define DEPTHWISE_NAME depthwise_f32_avx512
#include "depthwise_f32.inl"
#endif
