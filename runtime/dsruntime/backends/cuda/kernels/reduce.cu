// reduce: sum, mean or max over some axes of halves (or floats); every output in the same order each time
//
//   outputs   a walk over the axes that stay          reduced   a walk over those that go
//
//   reduce_rows      a warp, or eight, for one output: the reduced elements lie side by side
//   reduce_columns   32 outputs beside each other, eight warps share the reduced elements: global pools over NHWC
#include "window.h"

enum Reduction : i32 { SUM, MAX };

DEVICE f32 start(i32 op) {
    return op == SUM ? 0.0f : from_bits(0xFF800000);
}
DEVICE f32 joined(i32 op, f32 a, f32 b) {
    return op == SUM ? a + b : b > a || b != b ? b : a;  // NaN wins
}
DEVICE f32 warp_joined(i32 op, f32 x) {
    UNROLL for (i32 mask = 16; mask; mask >>= 1) x = joined(op, x, shfl_xor(x, mask));
    return x;
}

// factor: 1, or 1 / count for a mean. y is dense.
KERNEL(reduce_rows, 256, i32 op, f32 factor, i32 x_type, const void* x, Window outputs, Window reduced, u32 count,
       i32 y_type, void* y) {
    SHARED(f32, parts, 8);
    i64 base = place(outputs, blockIdx.x);
    f32 value = start(op);
    for (u32 i = threadIdx.x; i < count; i += blockDim.x)
        value = joined(op, value, load_float(x_type, x, base + place(reduced, i)));
    value = warp_joined(op, value);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x) return;
    for (u32 warp = 1; warp < blockDim.x / 32; warp++) value = joined(op, value, parts[warp]);
    store_float(y_type, y, blockIdx.x, value * factor);
}

KERNEL(reduce_columns, 256, i32 op, f32 factor, i32 x_type, const void* x, Window outputs, u32 total, Window reduced,
       u32 count, i32 y_type, void* y) {
    SHARED(f32, parts, 256);
    u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, output = blockIdx.x * 32 + lane;
    f32 value = start(op);
    if (output < total) {
        i64 base = place(outputs, output);
        for (u32 i = warp; i < count; i += 8)
            value = joined(op, value, load_float(x_type, x, base + place(reduced, i)));
    }
    parts[threadIdx.x] = value;
    __syncthreads();
    if (warp || output >= total) return;
    for (u32 other = 1; other < 8; other++) value = joined(op, value, parts[other * 32 + lane]);
    store_float(y_type, y, output, value * factor);
}
