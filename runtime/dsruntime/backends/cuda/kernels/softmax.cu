// softmax: softmax and log_softmax along one axis, and layer_normalization over the last axes; a block has one row
//
//   softmax      e^(x - max) / sum              log_softmax   (x - max) - log(sum)
//   layer norm   (x - mean) / sqrt(var + epsilon) * scale + bias, var the mean of the squared distances
#include "window.h"

DEVICE f32 block_joined(f32 x, bool maximum, f32* parts) {  // of all threads, in all threads
    x = maximum ? warp_max(x) : warp_sum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    x = parts[0];
    for (u32 warp = 1; warp < blockDim.x / 32; warp++) {
        f32 other = parts[warp];
        if (!maximum) x += other;
        else x = other > x || other != other ? other : x;
    }
    return x;
}

// x and y: n entries `stride` elements apart; rows: where the rows begin, in y as in x.
KERNEL(softmax, 256, i32 logarithm, i32 x_type, const void* x, Window x_rows, i32 x_stride, i32 y_type, void* y,
       Window y_rows, i32 y_stride, i32 n) {
    SHARED(f32, parts, 8);
    i64 from = place(x_rows, blockIdx.x), to = place(y_rows, blockIdx.x);
    f32 largest = from_bits(0xFF800000), sum = 0.0f;
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) {
        f32 value = load_float(x_type, x, from + i64(i) * x_stride);
        largest = value > largest || value != value ? value : largest;
    }
    largest = block_joined(largest, true, parts);
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) sum += expf(load_float(x_type, x, from + i64(i) * x_stride) - largest);
    sum = block_joined(sum, false, parts);
    f32 log_sum = logf(sum);
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) {
        f32 distance = load_float(x_type, x, from + i64(i) * x_stride) - largest;
        store_float(y_type, y, to + i64(i) * y_stride, logarithm ? distance - log_sum : expf(distance) / sum);
    }
}

// The same over dense rows of halves, eight at a time: groups eights a row.
KERNEL(softmax_by_8, 256, i32 logarithm, const u32x4* x, u32x4* y, i32 groups) {
    SHARED(f32, parts, 8);
    const u32x4* row = x + i64(blockIdx.x) * groups;
    f32 largest = from_bits(0xFF800000), sum = 0.0f, v[8];
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++) largest = v[k] > largest || v[k] != v[k] ? v[k] : largest;
    }
    largest = block_joined(largest, true, parts);
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++) sum += expf(v[k] - largest);
    }
    sum = block_joined(sum, false, parts);
    f32 log_sum = logf(sum);
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++) v[k] = logarithm ? v[k] - largest - log_sum : expf(v[k] - largest) / sum;
        pack(v, y + i64(blockIdx.x) * groups + i);
    }
}

// scale and bias: float32 [n]; bias may be null. inner: the walk over a row in x; in y a row is dense.
KERNEL(layer_norm, 256, i32 x_type, const void* x, Window rows, Window inner, const f32* scale, const f32* bias,
       f32 epsilon, i32 y_type, void* y, i32 n) {
    SHARED(f32, parts, 8);
    i64 from = place(rows, blockIdx.x), to = i64(blockIdx.x) * n;
    f32 sum = 0.0f, squares = 0.0f;
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) sum += load_float(x_type, x, from + place(inner, i));
    f32 mean = block_joined(sum, false, parts) / f32(n);
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) {
        f32 distance = load_float(x_type, x, from + place(inner, i)) - mean;
        squares += distance * distance;
    }
    f32 deviation = sqrtf(block_joined(squares, false, parts) / f32(n) + epsilon);
    for (i32 i = threadIdx.x; i < n; i += blockDim.x) {
        f32 distance = load_float(x_type, x, from + place(inner, i)) - mean;
        store_float(y_type, y, to + i, distance / deviation * ldg(scale + i) + (bias ? ldg(bias + i) : 0.0f));
    }
}

// The same over dense rows of halves, eight at a time.
KERNEL(layer_norm_by_8, 256, const u32x4* x, const f32* scale, const f32* bias, f32 epsilon, u32x4* y, i32 groups) {
    SHARED(f32, parts, 8);
    const u32x4* row = x + i64(blockIdx.x) * groups;
    f32 sum = 0.0f, squares = 0.0f, n = f32(groups) * 8.0f, v[8];
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++) sum += v[k];
    }
    f32 mean = block_joined(sum, false, parts) / n;
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++) squares += (v[k] - mean) * (v[k] - mean);
    }
    f32 deviation = sqrtf(block_joined(squares, false, parts) / n + epsilon);
    for (i32 i = threadIdx.x; i < groups; i += blockDim.x) {
        unpack(ldg(row + i), v);
        UNROLL for (i32 k = 0; k < 8; k++)
            v[k] = (v[k] - mean) / deviation * ldg(scale + i * 8 + k) + (bias ? ldg(bias + i * 8 + k) : 0.0f);
        pack(v, y + i64(blockIdx.x) * groups + i);
    }
}
