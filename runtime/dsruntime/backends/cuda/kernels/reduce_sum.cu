// reduce_sum: y[row] = sum over the columns of x[rows][columns], one block a row, in the same order every time
#include "dsc_prim.h"

DEVICE f32 block_sum(f32 x) {  // in thread 0
    SHARED(f32, sums, 32);
    i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    x = warp_sum(x);
    if (lane == 0) sums[warp] = x;
    __syncthreads();
    x = threadIdx.x < blockDim.x / 32 ? sums[lane] : 0.0f;
    return warp ? x : warp_sum(x);
}

KERNEL(reduce_sum, 256, const f16* x, f16* y, i64 columns) {
    const f16* row = x + i64(blockIdx.x) * columns;
    f32 sum = 0.0f;
    for (i64 i = threadIdx.x; i < columns; i += blockDim.x) sum += to_f32(ldg(row + i));
    sum = block_sum(sum);
    if (threadIdx.x == 0) y[blockIdx.x] = to_f16(sum);
}
