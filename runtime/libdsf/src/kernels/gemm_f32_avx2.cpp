// gemm_f32 for AVX2 with FMA.
#if defined(__x86_64__)
#define GEMM_NAME gemm_f32_avx2
#define GEMM_LABEL "gemm_f32_avx2"
#define GEMM_ROWS 4  // 12 sums, 3 vectors of b and 1 broadcast: all 16 registers
#define GEMM_VECTORS 3
#include "gemm_f32.inl"
#endif
