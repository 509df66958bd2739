// copy: y = x, between any two walks over the same axes and any two types; takes are copies by tables of indices
#include "window.h"

KERNEL(copy_strided, 256, i32 x_type, const void* x, Window x_window, i32 y_type, void* y, Window y_window, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    convert(x_type, x, place(x_window, i), y_type, y, place(y_window, i));
}

// A [rows][columns] tile becomes [columns][rows], batch by batch: NCHW to NHWC and back, both sides in whole lines.
KERNEL(copy_transposed, 256, i32 x_type, const void* x, i32 y_type, void* y, i32 rows, i32 columns) {
    SHARED(f32, tile, 32 * 33);
    i32 lane = threadIdx.x % 32, line = threadIdx.x / 32;
    i64 batch = i64(blockIdx.z) * rows * columns;
    i32 row = blockIdx.y * 32, column = blockIdx.x * 32;
    for (i32 k = line; k < 32; k += 8)
        if (row + k < rows && column + lane < columns)
            tile[k * 33 + lane] = load_float(x_type, x, batch + i64(row + k) * columns + column + lane);
    __syncthreads();
    for (i32 k = line; k < 32; k += 8)
        if (column + k < columns && row + lane < rows)
            store_float(y_type, y, batch + i64(column + k) * rows + row + lane, tile[lane * 33 + k]);
}

// y[i0, i1, ...] = x[t0[i0], t1[i1], ...]; an index below 0 gives `value`. tables: those of all axes, one after another.
KERNEL(take, 256, i32 type, const void* x, Strides x_strides, const i32* tables, f32 value, void* y, Window y_window,
       u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    i32 first = 0;
    for (i32 axis = 0; axis < y_window.rank; axis++) first += y_window.shape[axis];
    i64 from = 0, to = 0;
    bool inside = true;
    u32 rest = i;
    for (i32 axis = y_window.rank - 1; axis >= 0; axis--) {
        u32 size = y_window.shape[axis], at = rest % size;
        rest /= size;
        first -= size;
        i32 index = tables[first + at];
        inside = inside && index >= 0;
        from += i64(index) * x_strides.of[axis];
        to += i64(at) * y_window.strides[axis];
    }
    if (inside) convert(type, x, from, type, y, to);
    else if (is_float(type)) store_float(type, y, to, value);
    else store_int(type, y, to, to_int(type, value));
}

// y[indices...] = x[..., indices, ...]: data-dependent; x is [outer][size][inner] and y [outer][count][inner] elements.
// fault: {1 if an index was out of range, that index}; such an element becomes 0.
KERNEL(gather, 256, i32 type, const void* x, Window outer, Window inner, i32 axis_stride, i32 size, const i64* indices,
       i32 count, void* y, i64* fault, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 width = 1;
    for (i32 axis = 0; axis < inner.rank; axis++) width *= inner.shape[axis];
    u32 within = i % width, which = i / width % count, before = i / width / count;
    i64 index = ldg(indices + which);
    if (index < -i64(size) || index >= size) {
        fault[0] = 1;
        fault[1] = index;
        index = 0;
    }
    index = index < 0 ? index + size : index;
    i64 from = place(outer, before) + index * axis_stride + place(inner, within);
    convert(type, x, from, type, y, i);
}

// uint8 pixels to normalised halves: y = (x / 255 - mean[c]) / std[c] = x * scale[c] + shift[c]; y is NHWC.
KERNEL(pixels, 256, const u8* x, Window x_window, const f32* scale, const f32* shift, f16* y, i32 channels, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    i32 c = i % channels;
    y[i] = to_f16(f32(x[place(x_window, i)]) * ldg(scale + c) + ldg(shift + c));
}
