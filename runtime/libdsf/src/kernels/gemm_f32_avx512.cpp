// gemm_f32 for AVX-512 (F, DQ, BW, VL).
#if defined(__x86_64__)
#define GEMM_NAME gemm_f32_avx512
#define GEMM_LABEL "gemm_f32_avx512"
#define GEMM_ROWS 8  // 24 sums, 3 vectors of b and 1 broadcast of 32 registers
#define GEMM_VECTORS 3
#include "gemm_f32.inl"
#endif
