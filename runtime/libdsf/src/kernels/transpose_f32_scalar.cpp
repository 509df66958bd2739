// transpose_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define TRANSPOSE_LABEL "transpose_f32_neon"
#else
#define TRANSPOSE_LABEL "transpose_f32_scalar"
#endif
#define TRANSPOSE_NAME transpose_f32_scalar
#include "transpose_f32.inl"
