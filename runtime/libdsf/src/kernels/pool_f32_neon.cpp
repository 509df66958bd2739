// pool_f32 for aarch64: vectors of four.
#if defined(__aarch64__)
#define POOL_NAME pool_f32_neon
#define POOL_LABEL "pool_f32_neon"
#include "pool_f32.inl"
#endif
