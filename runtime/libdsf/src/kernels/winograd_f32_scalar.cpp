// winograd_f32 for any CPU: vectors of four, which are SSE2 on x86-64.
#define WINOGRAD_NAME winograd_f32_scalar
#define WINOGRAD_LABEL "winograd_4x4_scalar"
#include "winograd_f32.inl"
