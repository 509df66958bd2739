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
    y[0] = 0.1875f * x[0] - 0.125f * a + 0.03125f * c;
    y[1] = 0.0625f * d - 0.125f * b;
    y[2] = 0.125f * c - 0.125f * a;
    y[3] = 0.25f * d - 0.125f * b + 0.75f * x[5];
}

template <bool WHOLE> DSF_INLINE void input_vector(const WinogradInput& tile, int64_t channel, int count) {
    const int64_t step = tile.tiles * WINOGRAD_CHUNK;
    float* to = tile.to + channel / WINOGRAD_CHUNK * (6 * step) + channel % WINOGRAD_CHUNK;
    Vec half[6][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x) {
        Vec column[6], out[6];
        for (int y = 0; y < 6; ++y) {
            const float* from = tile.pixels[y * 6 + x] + channel;
            column[y] = WHOLE ? load(from) : load_some(from, count);
        }
        transform_in(column, out);
        for (int y = 0; y < 6; ++y) half[y][x] = out[y];
    }
#pragma GCC unroll 6
    for (int y = 0; y < 6; ++y) {
        Vec out[6];
        transform_in(half[y], out);
        for (int x = 0; x < 6; ++x) store(to + y * tile.stride + x * step, out[x]);
    }
}

void input(const WinogradInput& tile) {
    int64_t channel = 0;
    for (; channel + WIDTH <= tile.channels; channel += WIDTH) input_vector<true>(tile, channel, WIDTH);
    if (channel < tile.channels) input_vector<false>(tile, channel, (int)(tile.channels - channel));
}

typedef int8_t Bytes __attribute__((vector_size(WIDTH)));
typedef uint32_t Bits __attribute__((vector_size(WIDTH * 4)));

DSF_INLINE Bits sign_extended(Bytes bytes) {
#if defined(__AVX512F__)
    return (Bits)_mm512_maskz_cvtepi8_epi32((__mmask16)0xffff, (__m128i)bytes);
#elif defined(__AVX2__)
    return (Bits)_mm256_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)bytes));
#else
    return (Bits) __builtin_convertvector(bytes, IntVec);
#endif
}

// A byte is shifted to where a float has its exponent; bit 30 is then one more copy of the sign.
DSF_INLINE Vec decode(const uint8_t* from) {
    Bytes bytes;
    memcpy(&bytes, from, sizeof bytes);
    return (Vec)(sign_extended(bytes) << 23 & 0xBFFFFFFFu);
}
DSF_INLINE Vec decode(const float* from) { return load(from); }

template <class Number> DSF_INLINE void transform_filters(const WinogradFilters& filters, const Number* g) {
    float* to = filters.to;
    for (int64_t c = 0; c < filters.channels; ++c, g += 9 * WIDTH, to += 3 * WIDTH)
#pragma GCC unroll 3
        for (int x = 0; x < 3; ++x) {
            const Vec top = decode(g + x * WIDTH), middle = decode(g + (3 + x) * WIDTH);
            const Vec low = decode(g + (6 + x) * WIDTH);
            const Vec a = top + low, b = top + 4.0f * low, twice = middle + middle;
            float* at = to + x * WIDTH;
            store(at, top);
            store(at + filters.stride, a + middle);
            store(at + 2 * filters.stride, a - middle);
            store(at + 3 * filters.stride, b + twice);
            store(at + 4 * filters.stride, b - twice);
            store(at + 5 * filters.stride, low);
        }
}

void filters(const WinogradFilters& filters) {
    if (filters.codes) transform_filters(filters, filters.codes);
    else transform_filters(filters, filters.floats);
}

// Sums of positions FIRST to LAST - 1 stay in registers; each channel takes three vectors of filters, which become one for
// each position, and T numbers of V for each.
template <int T, int FIRST, int LAST> DSF_INLINE void positions(const WinogradProduct& product, const char* ahead) {
    Vec sum[LAST - FIRST][T];
#pragma GCC unroll 6
    for (int x = 0; x < LAST - FIRST; ++x)
#pragma GCC unroll 4
        for (int i = 0; i < T; ++i) sum[x][i] = Vec{};

    const float *v = product.v, *g = product.filters;
    for (int64_t c = 0; c < product.channels; ++c, ++v, g += 3 * WIDTH) {
        if (c > 0 && c % WINOGRAD_CHUNK == 0) v += (6 * T - 1) * WINOGRAD_CHUNK;
        if (ahead < product.prefetch_end) {
            __builtin_prefetch(ahead, 0, 2);
            ahead += 64;
        }
        auto add = [&](int x, Vec u) {
            if (x < FIRST || x >= LAST) return;
#pragma GCC unroll 4
            for (int i = 0; i < T; ++i) sum[x - FIRST][i] += splat(v[(x * T + i) * WINOGRAD_CHUNK]) * u;
        };
        const Vec left = load(g), middle = load(g + WIDTH), right = load(g + 2 * WIDTH);
        add(0, left);
        add(5, right);
        const Vec a = left + right, b = left + 4.0f * right, twice = middle + middle;
        add(1, a + middle);
        add(2, a - middle);
        add(3, b + twice);
        add(4, b - twice);
    }

#pragma GCC unroll 6
    for (int x = 0; x < LAST - FIRST; ++x)
#pragma GCC unroll 4
        for (int i = 0; i < T; ++i) {
            float* m = product.m + ((x + FIRST) * T + i) * WIDTH;
            store(m, product.first ? sum[x][i] : load(m) + sum[x][i]);
        }
}

template <int T> void product(const WinogradProduct& product) {
#if defined(__AVX512F__) || defined(__aarch64__)
    positions<T, 0, 6>(product, product.prefetch);
#else  // 16 registers
    positions<T, 0, 3>(product, product.prefetch);
    positions<T, 3, 6>(product, product.prefetch_end);
#endif
}

using ProductFunction = void (*)(const WinogradProduct&);

const ProductFunction PRODUCTS[] = {product<1>, product<2>, product<3>, product<4>};

void product_of(const WinogradProduct& product, int tiles) { PRODUCTS[tiles - 1](product); }

template <bool WHOLE> DSF_INLINE void output_vector(const WinogradOutput& tile, int64_t channel, int count) {
    auto get = [&](const float* from) { return WHOLE ? load(from) : load_some(from, count); };
    Vec half[4][6];
#pragma GCC unroll 6
    for (int x = 0; x < 6; ++x) {
        Vec column[6], out[4];
        for (int y = 0; y < 6; ++y) column[y] = load(tile.from + (y * 6 + x) * tile.stride + channel);
        transform_out(column, out);
        for (int y = 0; y < 4; ++y) half[y][x] = out[y];
    }
    const Vec scale = get(tile.scale + channel), bias = tile.bias ? get(tile.bias + channel) : Vec{};
#pragma GCC unroll 6
    for (int y = 0; y < tile.rows; ++y) {
        Vec out[4];
        transform_out(half[y], out);
        for (int x = 0; x < 4; ++x) {
            if (x >= tile.columns) break;
            const int64_t at = y * tile.row_stride + x * tile.pixel_stride + channel;
            Vec v = out[x] * scale + bias;
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
const WinogradF32 WINOGRAD_NAME = {WINOGRAD_LABEL, WIDTH, input, filters, product_of, output};

}  // namespace dsf
