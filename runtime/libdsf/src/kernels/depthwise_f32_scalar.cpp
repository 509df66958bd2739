// depthwise_f32 for any CPU: vectors of four, which are SSE2 on x86-64.
#define DEPTHWISE_NAME depthwise_f32_scalar
#define DEPTHWISE_LABEL "depthwise_f32_scalar"
#include "depthwise_f32.inl"
