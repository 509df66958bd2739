// array_f32 for aarch64: vectors of four.
#if defined(__aarch64__)
#define ARRAY_NAME array_f32_neon
#define ARRAY_LABEL "array_f32_neon"
#include "array_f32.inl"
#endif
