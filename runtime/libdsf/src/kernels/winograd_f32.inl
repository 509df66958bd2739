// winograd_f32 for all instruction sets. Before including: WINOGRAD_NAME, WINOGRAD_LABEL.
#include "activation.inl"
#include "winograd_f32.h"

namespace dsf {
namespace {

// B' x, of six vectors.
DSF_INLINE void transform_in(const Vec x[6], Vec y[6]) {
    const Vec a = x[4] - 4.0f * x[2], b = x[3] - 4.0f * x[1];
    const Vec c = x[4] - x[2], d = 2.0f * (x[3] - x[1]);
    y[0] = 4.0f * x[0] - 5.0f * x[2] + x[4];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = 4.0f * x[1] - 5.0f * x[3] + x[5];
}

// A' x, of six vectors to four.
DSF_INLINE void transform_out(const Vec x[6], Vec y[4]) {
    const Vec a = x[1] + x[2], b = x[1] - x[2], c = x[3] + x[4], d = x[3] - x[4];
    y[0] = x[0] + a + c;
    y[1] = b + 2.0f * d;
    y[2] = a + 4.0f * c;
    y[3] = b + 8.0f * d + x[5];
}

template <bool WHOLE> DSF_INLINE void input_vector(const WinogradInput& tile, int64_t channel, int count) {
    Vec half[6][6];
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x) {
        Vec column[6], out[6];
        for (int y = 0; y < 6; ++y) {
            const float* from = tile.pixels[y * 6 + x] + channel;
            column[y] = WHOLE ? load(from) : load_some(from, count);
        }
        transform_in(column, out);
        for (int y = 0; y < 6; ++y) half[y][x] = out[y];
    }
#pragma GCC unroll 1
    for (int y = 0; y < 6; ++y) {
        Vec out[6];
        transform_in(half[y], out);
        for (int x = 0; x < 6; ++x) store(tile.to + (y * 6 + x) * tile.stride + channel, out[x]);
    }
}

void input(const WinogradInput& tile) {
    int64_t channel = 0;
    for (; channel + WIDTH <= tile.channels; channel += WIDTH) input_vector<true>(tile, channel, WIDTH);
    if (channel < tile.channels) input_vector<false>(tile, channel, (int)(tile.channels - channel));
}

template <bool WHOLE> DSF_INLINE void output_vector(const WinogradOutput& tile, int64_t channel, int count) {
    auto get = [&](const float* from) { return WHOLE ? load(from) : load_some(from, count); };
    Vec half[4][6];
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x) {
        Vec column[6], out[4];
        for (int y = 0; y < 6; ++y) column[y] = load(tile.from + (y * 6 + x) * tile.stride + channel);
        transform_out(column, out);
        for (int y = 0; y < 4; ++y) half[y][x] = out[y];
    }
    const Vec bias = tile.bias ? get(tile.bias + channel) : Vec{};
#pragma GCC unroll 1
    for (int y = 0; y < tile.rows; ++y) {
        Vec out[4];
        transform_out(half[y], out);
        for (int x = 0; x < 4; ++x) {
            if (x >= tile.columns) break;
            const int64_t at = y * tile.row_stride + x * tile.pixel_stride + channel;
            Vec v = out[x] + bias;
            if (tile.residual) v += get(tile.residual + at);
            v = activate(v, tile.activation);
            if (WHOLE) store(tile.y + at, v);
            else store_some(tile.y + at, v, count);
        }
    }
}

void output(const WinogradOutput& tile) {
    int64_t channel = 0;
    for (; channel + WIDTH <= tile.channels; channel += WIDTH) output_vector<true>(tile, channel, WIDTH);
    if (channel < tile.channels) output_vector<false>(tile, channel, (int)(tile.channels - channel));
}

}  // namespace

extern const WinogradF32 WINOGRAD_NAME;
const WinogradF32 WINOGRAD_NAME = {WINOGRAD_LABEL, input, output};

}  // namespace dsf
