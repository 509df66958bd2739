// winograd_f32 for aarch64: vectors of four.
#if defined(__aarch64__)
#define WINOGRAD_NAME winograd_f32_neon
#define WINOGRAD_LABEL "winograd_4x4_neon"
#include "winograd_f32.inl"
#endif
