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

// The epilogue of one output; at: its place in y.
DEVICE f32 result(const ConvArgs& s, f32 sum, f32 scale, f32 bias, f32 residual) {
    return clip(sum * scale + bias + residual, s.low, s.high);
}

DEVICE bool finish_one(const ConvArgs& s, f32 sum, i32 row, i32 output, i64 at) {
    f32 bias = s.bias ? ldg(s.bias + output) : 0.0f, residual = s.residual ? to_f32(ldg(s.residual + at)) : 0.0f;
    f32 v = result(s, sum, ldg(s.scale + row), bias, residual);
    s.y[at] = to_f16(v);
    return too_large(v);
}

DEVICE f32x4 four(const f32* p, bool there) {
    return there ? ldg(reinterpret_cast<const f32x4*>(p)) : f32x4{0, 0, 0, 0};
}
// Four outputs as two registers.
DEVICE u32x2 finish_four(const ConvArgs& s, f32x4 sum, i32 row, i32 output, u32x2 residual, bool& overflow) {
    f32x4 scale = four(s.scale + row, true), bias = four(s.bias + output, s.bias);
    f32 a = result(s, sum.x, scale.x, bias.x, low_f32(residual.x));
    f32 b = result(s, sum.y, scale.y, bias.y, high_f32(residual.x));
    f32 c = result(s, sum.z, scale.z, bias.z, low_f32(residual.y));
    f32 d = result(s, sum.w, scale.w, bias.w, high_f32(residual.y));
    overflow |= too_large(a) | too_large(b) | too_large(c) | too_large(d);
    return {pack_f16(a, b), pack_f16(c, d)};
}
DEVICE bool finish_eight(const ConvArgs& s, const f32* sums, i32 row, i32 output, i64 at) {
    const f32x4* sum = reinterpret_cast<const f32x4*>(sums);
    u32x4 more = {0, 0, 0, 0};
    if (s.residual) more = ldg(reinterpret_cast<const u32x4*>(s.residual + at));
    bool overflow = false;
    u32x2 low = finish_four(s, sum[0], row, output, {more.x, more.y}, overflow);
    u32x2 high = finish_four(s, sum[1], row + 4, output + 4, {more.z, more.w}, overflow);
    *reinterpret_cast<u32x4*>(s.y + at) = {low.x, low.y, high.x, high.y};
    return overflow;
}
DEVICE bool eights(const ConvArgs& s, i32 outputs) {  // every run of eight outputs is whole and aligned
    u64 addresses = u64(s.bias) | u64(s.residual) | u64(s.y);
    return addresses % 16 == 0 && outputs % 8 == 0;
}

// sums: [columns][pitch] f32 in shared memory, of rows first_row.. of a group and pixels first_pixel..; the whole block
// writes it out. Neighbouring threads take neighbouring outputs.
DEVICE void finish(const ConvArgs& s, const f32* sums, i32 pitch, i32 rows, i32 columns, i32 group, i32 first_row,
                   i32 first_pixel) {
    i32 wide = eights(s, s.group_outputs) ? 8 : 1, units = rows / wide;
    bool overflow = false;
    for (i32 i = threadIdx.x; i < units * columns; i += blockDim.x) {
        i32 row = i % units * wide, column = i / units, pixel = first_pixel + column;
        if (first_row + row >= s.group_outputs || pixel >= pixel_count(s)) continue;
        i32 scale_at = group * s.panels * 16 + first_row + row, output = group * s.group_outputs + first_row + row;
        i64 at = i64(pixel) * s.outputs + output;
        const f32* from = sums + column * pitch + row;
        overflow |= wide == 8 ? finish_eight(s, from, scale_at, output, at) : finish_one(s, *from, scale_at, output, at);
    }
    if (overflow && s.overflow) *s.overflow = s.tag;
}
