// relu: y = max(x, 0), a NaN stays one
#include "dsc_prim.h"

KERNEL(relu, 256, const f16* x, f16* y, i64 n) {
    i64 i = i64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 value = to_f32(ldg(x + i));
    y[i] = to_f16(value < 0.0f ? 0.0f : value);
}
