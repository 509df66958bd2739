// elementwise: y = f(x) and y = clip(f(a, b)); halves side by side by eights, anything else element by element
#include "functions.h"
#include "window.h"

// Eight halves of each operand a thread; n counts them in eights. All are 16-byte aligned.
KERNEL(unary_dense, 256, i32 op, f32 p, f32 q, const u32x4* x, u32x4* y, i32 n) {
    i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 values[8];
    unpack(ldg(x + i), values);
    UNROLL for (i32 k = 0; k < 8; k++) values[k] = unary(op, values[k], p, q);
    pack(values, y + i);
}

KERNEL(binary_dense, 256, i32 op, f32 low, f32 high, const u32x4* a, const u32x4* b, u32x4* y, i32 n) {
    i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 left[8], right[8];
    unpack(ldg(a + i), left);
    unpack(ldg(b + i), right);
    UNROLL for (i32 k = 0; k < 8; k++) left[k] = clipped(binary(op, left[k], right[k]), low, high);
    pack(left, y + i);
}

// a, y: [rows][8 * groups] halves, dense; b: one row for each `share` rows of a, its own pitch apart: a gate for each
// image and channel, or a bias. b_type F16 or F32; b and its pitch are multiples of 16 bytes.
KERNEL(binary_rows, 256, i32 op, f32 low, f32 high, const u32x4* a, i32 b_type, const void* b, i32 pitch, i32 share,
       u32x4* y, i32 groups, i32 n) {
    i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    i64 at = i64(i / groups / share) * pitch + i % groups * 8;
    f32 left[8], right[8];
    unpack(ldg(a + i), left);
    if (b_type == F16) unpack(ldg(reinterpret_cast<const u32x4*>(static_cast<const f16*>(b) + at)), right);
    else UNROLL for (i32 k = 0; k < 8; k++) right[k] = ldg(static_cast<const f32*>(b) + at + k);
    UNROLL for (i32 k = 0; k < 8; k++) left[k] = clipped(binary(op, left[k], right[k]), low, high);
    pack(left, y + i);
}

// x and y walk over the same axes; types F16 or F32.
KERNEL(unary_strided, 256, i32 op, f32 p, f32 q, i32 x_type, const void* x, Window x_window, i32 y_type, void* y,
       Window y_window, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 value = load_float(x_type, x, place(x_window, i));
    store_float(y_type, y, place(y_window, i), unary(op, value, p, q));
}

KERNEL(binary_strided, 256, i32 op, f32 low, f32 high, i32 a_type, const void* a, Window a_window, i32 b_type,
       const void* b, Window b_window, i32 y_type, void* y, Window y_window, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 left = load_float(a_type, a, place(a_window, i)), right = load_float(b_type, b, place(b_window, i));
    store_float(y_type, y, place(y_window, i), clipped(binary(op, left, right), low, high));
}

// y[r][c] = clip(x[r][c] * scale[c] + shift[c]): batch norm. Halves, or eight at a time where c is a multiple of 8.
KERNEL(scale_shift, 256, const f16* x, const f32* scale, const f32* shift, f32 low, f32 high, f16* y, i32 channels,
       u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    i32 c = i % channels;
    y[i] = to_f16(clipped(to_f32(ldg(x + i)) * ldg(scale + c) + ldg(shift + c), low, high));
}
KERNEL(scale_shift_by_8, 256, const u32x4* x, const f32* scale, const f32* shift, f32 low, f32 high, u32x4* y,
       i32 channels, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    f32 values[8];
    unpack(ldg(x + i), values);
    i32 c = i % (channels / 8) * 8;
    UNROLL for (i32 k = 0; k < 8; k++) values[k] = clipped(values[k] * ldg(scale + c + k) + ldg(shift + c + k), low, high);
    pack(values, y + i);
}
