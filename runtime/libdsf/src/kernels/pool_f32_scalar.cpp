// pool_f32 for any CPU: vectors of four, which are SSE2 on x86-64.
#define POOL_NAME pool_f32_scalar
#define POOL_LABEL "pool_f32_scalar"
#include "pool_f32.inl"
