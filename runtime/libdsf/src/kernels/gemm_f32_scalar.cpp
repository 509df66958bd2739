// gemm_f32 for any CPU: vectors of four, which are SSE2 on x86-64 and NEON on aarch64.
#if defined(__aarch64__)
#define GEMM_LABEL "gemm_f32_neon"
#define GEMM_ROWS 8  // 16 sums of 32 registers
#define GEMM_VECTORS 2
#else
#define GEMM_LABEL "gemm_f32_scalar"
#define GEMM_ROWS 4  // 8 sums of 16 registers; without FMA each product needs one more
#define GEMM_VECTORS 2
#endif
#define GEMM_NAME gemm_f32_scalar
#include "gemm_f32.inl"
