// epilogue: sums to results: scale, bias, residual, clip, half; the only place that knows them.
#pragma once
#include "conv_args.h"

DEVICE f32 clip(f32 v, f32 low, f32 high) {  // a NaN passes
    v = v < low ? low : v;
    return v > high ? high : v;
}
DEVICE bool too_large(f32 v) {  // rounds to infinity, and is none
    return fabsf(v) >= 65520.0f && fabsf(v) < from_bits(0x7F800000);
}

// sums: [columns][pitch] f32 in shared memory, of rows first_row.. of a group and pixels first_pixel..; the whole block
// writes it out. Neighbouring threads take neighbouring outputs.
DEVICE void finish(const ConvArgs& s, const f32* sums, i32 pitch, i32 rows, i32 columns, i32 group, i32 first_row,
                   i32 first_pixel) {
    const f32* scale = s.scale + group * s.panels * 16 + first_row;
    i32 output = group * s.group_outputs + first_row;
    bool overflow = false;
    for (i32 i = threadIdx.x; i < rows * columns; i += blockDim.x) {
        i32 row = i % rows, column = i / rows, pixel = first_pixel + column;
        if (first_row + row >= s.group_outputs || pixel >= pixel_count(s)) continue;
        i64 at = i64(pixel) * s.outputs + output + row;
        f32 v = sums[column * pitch + row] * ldg(scale + row);
        if (s.bias) v += ldg(s.bias + output + row);
        if (s.residual) v += to_f32(ldg(s.residual + at));
        v = clip(v, s.low, s.high);
        overflow |= too_large(v);
        s.y[at] = to_f16(v);
    }
    if (overflow && s.overflow) *s.overflow = s.tag;
}
