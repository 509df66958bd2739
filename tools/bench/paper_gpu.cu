// paper_gpu: naive multiplications against naive shifts, as DeepShift's paper compared them; rebuilt from its description
//
//   im2col   x [channels][height][width] to columns [pixels][k], k = (channel, ky, kx); words, whatever they mean
//   product  16 x 16 tiles in shared memory, one output a thread: [pixels][k] times [outputs][k], to [pixels][outputs]
//   col2im   [pixels][outputs] to [outputs][pixels]
//
// Both products walk the same tiles in the same order. Multiplying: float32 by float32. Shifting: x is 16.16 fixed point,
// a weight is a sign and a shift by 0 .. 15 to the right (DeepShift-Q: no zero), six of five bits to a word; every term
// is rounded down, as a shift does, and sums are 32-bit integers.
#include "dsc_prim.h"

static const i32 side = 16, codes_of_word = 6;

struct Image {
    i32 channels, height, width, out_height, out_width, kernel, stride, pad;
};

KERNEL(im2col, 256, Image s, const u32* x, u32* columns) {
    i32 k = s.channels * s.kernel * s.kernel, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.out_height * s.out_width * k) return;
    i32 pixel = i / k, at = i % k, channel = at / (s.kernel * s.kernel), tap = at % (s.kernel * s.kernel);
    i32 y = pixel / s.out_width * s.stride - s.pad + tap / s.kernel;
    i32 column = pixel % s.out_width * s.stride - s.pad + tap % s.kernel;
    bool inside = u32(y) < u32(s.height) && u32(column) < u32(s.width);
    columns[i] = inside ? x[(channel * s.height + y) * s.width + column] : 0;
}

KERNEL(col2im, 256, const u32* product, u32* y, i32 pixels, i32 outputs) {
    i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < pixels * outputs) y[i] = product[i % pixels * outputs + i / pixels];
}

KERNEL(multiply_product, 256, const f32* columns, const f32* weight, f32* y, i32 pixels, i32 outputs, i32 depth) {
    SHARED(f32, left, side * side);
    SHARED(f32, right, side * (side + 1));
    i32 column = threadIdx.x, row = threadIdx.y, output = blockIdx.x * side + column, pixel = blockIdx.y * side + row;
    i32 loaded_output = blockIdx.x * side + row;
    f32 sum = 0.0f;
    for (i32 start = 0; start < depth; start += side) {
        i32 k = start + column;
        left[row * side + column] = pixel < pixels && k < depth ? columns[i64(pixel) * depth + k] : 0.0f;
        bool real = loaded_output < outputs && k < depth;
        right[row * (side + 1) + column] = real ? weight[i64(loaded_output) * depth + k] : 0.0f;
        __syncthreads();
        UNROLL for (i32 i = 0; i < side; i++) sum += left[row * side + i] * right[column * (side + 1) + i];
        __syncthreads();
    }
    if (pixel < pixels && output < outputs) y[i64(pixel) * outputs + output] = sum;
}

struct Term {  // x shifted to the right by `shift`, then negated where `minus` is -1: (t ^ minus) - minus
    u32 shift;
    i32 minus;
};
DEVICE Term term_of(const u32* row, i32 k) {
    u32 code = row[k / codes_of_word] >> k % codes_of_word * 5 & 31;
    return {code & 15, code & 16 ? -1 : 0};
}

KERNEL(shift_product, 256, const i32* columns, const u32* weight, i32* y, i32 pixels, i32 outputs, i32 depth) {
    SHARED(i32, left, side * side);
    SHARED(Term, right, side * (side + 1));
    i32 column = threadIdx.x, row = threadIdx.y, output = blockIdx.x * side + column, pixel = blockIdx.y * side + row;
    i32 loaded_output = blockIdx.x * side + row, words = (depth + codes_of_word - 1) / codes_of_word;
    u32 sum = 0;
    for (i32 start = 0; start < depth; start += side) {
        i32 k = start + column;
        left[row * side + column] = pixel < pixels && k < depth ? columns[i64(pixel) * depth + k] : 0;
        bool real = loaded_output < outputs && k < depth;
        right[row * (side + 1) + column] = real ? term_of(weight + i64(loaded_output) * words, k) : Term{0, 0};
        __syncthreads();
        UNROLL for (i32 i = 0; i < side; i++) {
            Term term = right[column * (side + 1) + i];
            sum += u32((left[row * side + i] >> term.shift) ^ term.minus) - u32(term.minus);
        }
        __syncthreads();
    }
    if (pixel < pixels && output < outputs) y[i64(pixel) * outputs + output] = i32(sum);
}
