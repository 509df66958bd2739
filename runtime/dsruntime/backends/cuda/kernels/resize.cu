// resize: linear resampling of the spatial axes; nearest is a take (copy.cu)
//
// For each index of the result a table says the left and right neighbour in the input and the right one's share.
#include "window.h"

struct Neighbours {  // of one axis of the result; arrays of its size
    const i32 *left, *right;
    const f32* share;
};

DEVICE f32 mixed(f32 a, f32 b, f32 share) {
    return a * (1.0f - share) + b * share;
}

// x, y: [n][channels][rows][columns] by their strides; y is walked in the order of its window.
KERNEL(resize_linear, 256, i32 x_type, const void* x, Strides xs, Neighbours rows, Neighbours columns, i32 y_type,
       void* y, Axes shape, Strides ys, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 c = i % shape.shape[1], column = i / shape.shape[1] % shape.shape[3];
    u32 row = i / shape.shape[1] / shape.shape[3] % shape.shape[2];
    u32 batch = i / shape.shape[1] / shape.shape[3] / shape.shape[2];
    i64 base = i64(batch) * xs.of[0] + i64(c) * xs.of[1];
    i64 top = base + i64(ldg(rows.left + row)) * xs.of[2], bottom = base + i64(ldg(rows.right + row)) * xs.of[2];
    i64 left = i64(ldg(columns.left + column)) * xs.of[3], right = i64(ldg(columns.right + column)) * xs.of[3];
    f32 down = ldg(rows.share + row), across = ldg(columns.share + column);
    f32 at_left = mixed(load_float(x_type, x, top + left), load_float(x_type, x, bottom + left), down);
    f32 at_right = mixed(load_float(x_type, x, top + right), load_float(x_type, x, bottom + right), down);
    i64 to = i64(batch) * ys.of[0] + i64(c) * ys.of[1] + i64(row) * ys.of[2] + i64(column) * ys.of[3];
    store_float(y_type, y, to, mixed(at_left, at_right, across));
}
