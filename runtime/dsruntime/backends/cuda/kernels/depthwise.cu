// depthwise: convolutions whose groups have one channel; y[pixel][o] = sum over taps of weight[tap][o] * x[.., o / m]
//
// Bound by reading the activations: a thread does eight neighbouring channels of one pixel (m = 1, channels % 8 == 0),
// or one output. Weights are float32, [tap][output].
#include "columns.h"
#include "epilogue.h"

DEVICE f32 half_of(f16 x, i32) {
    return to_f32(x);
}
DEVICE f32 half_of(u32x4 x, i32 c) {
    u32 pair = c < 4 ? (c < 2 ? x.x : x.y) : (c < 6 ? x.z : x.w);
    return c % 2 ? high_f32(pair) : low_f32(pair);
}

// Output o at `pixel`: the sum over the window, tap by tap. `channels` neighbours at once.
template <int channels, class Vector>
DEVICE void depthwise(const ConvArgs& s, i32 kernel_h) {
    i64 i = i64(blockIdx.x) * blockDim.x + threadIdx.x;
    i32 vectors = s.outputs / channels, output = i32(i % vectors) * channels;
    i64 pixel = i / vectors;
    if (pixel >= pixel_count(s)) return;
    const f32* weight = reinterpret_cast<const f32*>(s.weight);
    Corner corner = corner_of(s, i32(pixel));
    i32 channel = output / s.group_outputs;
    f32 sum[channels] = {};
    for (i32 ky = 0; ky < kernel_h; ky++)
        for (i32 kx = 0; kx < s.kernel_w; kx++) {
            i32 dy = ky * s.dilation_y, dx = kx * s.dilation_x;
            i32 at = is_transposed(s) ? under<true>(s, corner, dy, dx, channel) : under<false>(s, corner, dy, dx, channel);
            if (at < 0) continue;
            Vector x = ldg(reinterpret_cast<const Vector*>(s.x + at));
            const f32* w = weight + i64(ky * s.kernel_w + kx) * s.outputs + output;
            UNROLL for (i32 c = 0; c < channels; c++) sum[c] = fmaf(ldg(w + c), half_of(x, c), sum[c]);
        }
    i64 at = pixel * s.outputs + output;
    bool overflow = false;
    if (channels == 8 && eights(s, s.outputs)) overflow = finish_eight(s, sum, output, output, at);
    else UNROLL for (i32 c = 0; c < channels; c++) overflow |= finish_one(s, sum[c], output + c, output + c, at + c);
    if (overflow && s.overflow) *s.overflow = s.tag;
}

KERNEL(depthwise_8, 128, ConvArgs s, i32 kernel_h) {
    depthwise<8, u32x4>(s, kernel_h);
}
KERNEL(depthwise_1, 128, ConvArgs s, i32 kernel_h) {
    depthwise<1, f16>(s, kernel_h);
}
