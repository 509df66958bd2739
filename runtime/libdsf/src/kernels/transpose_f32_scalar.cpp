// transpose_f32 for any CPU: vectors of four, which are SSE2 on x86-64.
#define TRANSPOSE_NAME transpose_f32_scalar
#define TRANSPOSE_LABEL "transpose_f32_scalar"
#include "transpose_f32.inl"
