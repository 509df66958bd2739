// depthwise_f32 for all instruction sets. Before including: DEPTHWISE_NAME, DEPTHWISE_LABEL.
#include "activation.inl"
#include "depthwise_f32.h"

namespace dsf {
namespace {

// One vector of channels of P pixels from i on, whose weights are read once for all of them. Each one's sums are made as
// those of a pixel alone: in two chains, for a chain of 9 is long to wait for.
template <int P, bool WHOLE, class Finish>
DSF_INLINE void pixels_together(const DepthwisePixels& d, int64_t channel, int count, Vec bias, int64_t i,
                                Finish finish) {
    auto get = [&](const float* from) { return WHOLE ? load(from) : load_some(from, count); };
    Vec sum[P][2];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[p][0] = bias, sum[p][1] = Vec{};
    auto add = [&](int64_t t, int chain) {
        const Vec w = get(d.weight + t * d.weight_stride + channel);
        const float* tap = d.taps[t] + channel + i * d.step;
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) sum[p][chain] = multiply_add(sum[p][chain], w, get(tap + p * d.step));
    };
    int64_t t = 0;
    for (; t + 2 <= d.tap_count; t += 2) {
        add(t, 0);
        add(t + 1, 1);
    }
    if (t < d.tap_count) add(t, 0);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) finish(sum[p][0] + sum[p][1], i + p);
}

// One vector of channels of all pixels. T: taps whose weights stay in registers; 0: any number, read again.
template <int T, bool WHOLE> DSF_INLINE void channel_vector(const DepthwisePixels& d, int64_t channel, int count) {
    auto get = [&](const float* from) { return WHOLE ? load(from) : load_some(from, count); };
    const Vec bias = d.bias ? get(d.bias + channel) : Vec{};
    auto finish = [&](Vec y, int64_t i) {
        if (d.residual) y += get(d.residual + i * d.stride + channel);
        y = activate(y, d.activation);
        if (WHOLE) store(d.y + i * d.stride + channel, y);
        else store_some(d.y + i * d.stride + channel, y, count);
    };
    int64_t i = 0;
    if (!T) {
        constexpr int PIXELS = WIDTH == 16 ? 8 : 4;
        for (; i + PIXELS <= d.count; i += PIXELS) pixels_together<PIXELS, WHOLE>(d, channel, count, bias, i, finish);
        for (; i < d.count; ++i) pixels_together<1, WHOLE>(d, channel, count, bias, i, finish);
        return;
    }
    Vec weight[T ? T : 1];
    const float* from[T ? T : 1];
#pragma GCC unroll 25
    for (int t = 0; t < T; ++t) {
        weight[t] = get(d.weight + t * d.weight_stride + channel);
        from[t] = d.taps[t] + channel;
    }
    for (; i < d.count; ++i) {
        Vec sum[2] = {bias, Vec{}};
#pragma GCC unroll 25
        for (int t = 0; t < T; ++t) sum[t % 2] = multiply_add(sum[t % 2], weight[t], get(from[t] + i * d.step));
        finish(sum[0] + sum[1], i);
    }
}

template <int T> void pixels_of(const DepthwisePixels& d) {
    int64_t channel = 0;
    for (; channel + WIDTH <= d.channels; channel += WIDTH) channel_vector<T, true>(d, channel, WIDTH);
    if (channel < d.channels) channel_vector<T, false>(d, channel, (int)(d.channels - channel));
}

void pixels(const DepthwisePixels& d) {
    if (d.tap_count == 9) pixels_of<9>(d);
#if defined(__AVX512F__) || defined(__aarch64__)  // 32 registers
    else if (d.tap_count == 25) pixels_of<25>(d);
#endif
    else pixels_of<0>(d);
}

// One vector of R rows. Each vector of the image is loaded once for all the rows that it is a tap of.
template <int K, int R, bool WHOLE>
DSF_INLINE void plane_block(const DepthwisePlane& d, const Vec weight[K * K], Vec bias, int64_t y, int64_t x) {
    Vec sum[R][2];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sum[r][0] = bias, sum[r][1] = Vec{};
    const float* row = d.padded + y * d.pitch + x;
#pragma GCC unroll 8
    for (int i = 0; i < R + K - 1; ++i, row += d.pitch)
#pragma GCC unroll 5
        for (int kx = 0; kx < K; ++kx) {
            const Vec pixels = rounded(load(row + kx));  // into a register
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                const int t = (i - r) * K + kx;
                if (i >= r && i - r < K) sum[r][t % 2] = multiply_add(sum[r][t % 2], weight[t], pixels);
            }
        }
    const int count = (int)(d.width - x);
    float* to = d.y + y * d.width + x;
    const float* residual = d.residual ? d.residual + y * d.width + x : nullptr;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r, to += d.width) {
        Vec v = sum[r][0] + sum[r][1];
        if (residual) v += WHOLE ? load(residual + r * d.width) : load_some(residual + r * d.width, count);
        v = activate(v, d.activation);
        if (WHOLE) store(to, v);
        else store_some(to, v, count);
    }
}

template <int K, int R> DSF_INLINE void plane_rows(const DepthwisePlane& d, const Vec weight[K * K], Vec bias,
                                                   int64_t y) {
    int64_t x = 0;
    for (; x + WIDTH <= d.width; x += WIDTH) plane_block<K, R, true>(d, weight, bias, y, x);
    if (x < d.width) plane_block<K, R, false>(d, weight, bias, y, x);
}

template <int K> void plane_of(const DepthwisePlane& plane) {
    const DepthwisePlane d = plane;  // its own: no store changes it
    Vec weight[K * K];
#pragma GCC unroll 25
    for (int t = 0; t < K * K; ++t) weight[t] = splat(d.weight[t]);
    const Vec bias = splat(d.bias);
    int64_t y = 0;
    for (; y + 4 <= d.rows; y += 4) plane_rows<K, 4>(d, weight, bias, y);
    for (; y < d.rows; ++y) plane_rows<K, 1>(d, weight, bias, y);
}

void plane(const DepthwisePlane& d) {
    if (d.kernel == 3) plane_of<3>(d);
    else plane_of<5>(d);
}

void pad(const DepthwisePadding& padding) {
    const DepthwisePadding p = padding;
    const int64_t pitch = padded_pitch(p.padded);
    const float* x = p.x;
    float* row = p.to;
    for (int64_t i = 0; i < p.rows; ++i, x += p.width, row += pitch) {
        for (int64_t j = 0; j < p.before; j += WIDTH) store(row + j, Vec{});
        for (int64_t j = p.before + p.width; j < p.padded; j += WIDTH) store(row + j, Vec{});
        float* to = row + p.before;
        int64_t j = 0;
        for (; j + WIDTH <= p.width; j += WIDTH) store(to + j, load(x + j));
        if (j < p.width) store(to + j, load_some(x + j, (int)(p.width - j)));
    }
}

}  // namespace

extern const DepthwiseF32 DEPTHWISE_NAME;
const DepthwiseF32 DEPTHWISE_NAME = {DEPTHWISE_LABEL, pixels, plane, pad};

}  // namespace dsf
