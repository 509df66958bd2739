// depthwise_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define DEPTHWISE_LABEL "depthwise_f32_neon"
#else
#define DEPTHWISE_LABEL "depthwise_f32_scalar"
#endif
#define DEPTHWISE_NAME depthwise_f32_scalar
#include "depthwise_f32.inl"
