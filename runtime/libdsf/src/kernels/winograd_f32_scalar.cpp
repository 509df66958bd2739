// winograd_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define WINOGRAD_LABEL "winograd_4x4_neon"
#else
#define WINOGRAD_LABEL "winograd_4x4_scalar"
#endif
#define WINOGRAD_NAME winograd_f32_scalar
#include "winograd_f32.inl"
