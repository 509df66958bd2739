// array_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define ARRAY_LABEL "array_f32_neon"
#else
#define ARRAY_LABEL "array_f32_scalar"
#endif
#define ARRAY_NAME array_f32_scalar
#include "array_f32.inl"
