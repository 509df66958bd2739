// pool_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define POOL_LABEL "pool_f32_neon"
#else
#define POOL_LABEL "pool_f32_scalar"
#endif
#define POOL_NAME pool_f32_scalar
#include "pool_f32.inl"
