// depthwise_f32 for aarch64: vectors of four.
#if defined(__aarch64__)
#define DEPTHWISE_NAME depthwise_f32_neon
#define DEPTHWISE_LABEL "depthwise_f32_neon"
#include "depthwise_f32.inl"
#endif
