// array_f32 for any CPU: vectors of four, which are SSE2 on x86-64.
#define ARRAY_NAME array_f32_scalar
#define ARRAY_LABEL "array_f32_scalar"
#include "array_f32.inl"
