// depthwise_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define DEPTHWISE_LABEL "depthwise_f32_avx2"
#define DEPTHWISE_NAME depthwise_f32_avx2
#include "depthwise_f32.inl"
#endif
