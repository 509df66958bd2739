// transpose_f32 for aarch64: vectors of four.
#if defined(__aarch64__)
#define TRANSPOSE_NAME transpose_f32_neon
#define TRANSPOSE_LABEL "transpose_f32_neon"
#include "transpose_f32.inl"
#endif
