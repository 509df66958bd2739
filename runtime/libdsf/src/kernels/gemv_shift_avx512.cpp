// gemv_shift for AVX-512 (F, DQ, BW, VL) with BMI2.
#if defined(__x86_64__)
#include "gemv_shift_avx512.inl"

namespace dsf {
extern const GemvShiftF32 gemv_shift_avx512;
const GemvShiftF32 gemv_shift_avx512 = {"avx512", 16, rows, arrange, 0, nullptr, nullptr};
}  // namespace dsf
#endif
