// panel_f32: one micro-kernel for all instruction sets. Before including: PANEL_NAME, PANEL_LABEL, PANEL_TILES (a line
// for each number of vectors, a tile for each number of rows) and PANEL_MOST_ROWS (how many tiles each line has).
//
// PANEL_MULTIPLY(sum, x, column), if it is defined, is the product of a kernel whose floats are not what they seem.
//
// ROWS * VECTORS sums stay in registers; each step of k loads VECTORS vectors of b and broadcasts ROWS floats.
#include "activation.inl"
#include "panel_f32.h"

#if !defined(PANEL_MULTIPLY)
#define PANEL_MULTIPLY(sum, x, column) ((sum) + (x) * (column))
#endif

namespace dsf {
namespace {

template <class F> DSF_INLINE void map_tile(const PanelTile& tile, int rows, F f) {
    const int64_t stride = tile.stride;
    const int columns = tile.columns;
    float* c = tile.c;
    for (int i = 0; i < rows; ++i, c += stride) {
        int j = 0;
        for (; j + 2 * WIDTH <= columns; j += 2 * WIDTH) {  // two share the loads of constants
            const Vec left = f(load(c + j)), right = f(load(c + j + WIDTH));
            store(c + j, left);
            store(c + j + WIDTH, right);
        }
        for (; j + WIDTH <= columns; j += WIDTH) store(c + j, f(load(c + j)));
        if (j < columns) store_some(c + j, f(load_some(c + j, columns - j)), columns - j);
    }
}

// A second pass over a tile, for activations that would make every tile function long.
__attribute__((noinline)) void activate_tile(const PanelTile& tile, int rows) {
    if (tile.activation.kind == Activation::silu)
        map_tile(tile, rows, [](Vec v) __attribute__((always_inline)) { return silu_of(v); });
    else map_tile(tile, rows, [](Vec v) __attribute__((always_inline)) { return hard_swish_of(v); });
}

template <int R, int V> void panel_tile(const PanelTile& tile) {
    Vec sum[R][V];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) sum[i][j] = Vec{};

    const float* b = tile.b;
    const char* ahead = tile.prefetch;
    for (int64_t s = 0; s < tile.segments; ++s) {
        const float* row[R];
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) row[i] = tile.rows[s * tile.pitch + i] + tile.offset;
        for (int64_t t = 0; t < tile.length; ++t, b += V * WIDTH) {
            if (ahead < tile.prefetch_end) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += 64;
            }
            Vec column[V];
#pragma GCC unroll 4
            for (int j = 0; j < V; ++j) column[j] = load(b + j * WIDTH);
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i) {
                const Vec x = splat(row[i][t]);
#pragma GCC unroll 4
                for (int j = 0; j < V; ++j) sum[i][j] = PANEL_MULTIPLY(sum[i][j], x, column[j]);
            }
        }
    }

    const bool clips = tile.last && tile.activation.kind == Activation::clip;
    const Vec low = splat(tile.activation.low), high = splat(tile.activation.high);
    const int count = tile.columns - (V - 1) * WIDTH;  // of the last vector
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) {
        const bool whole = j + 1 < V || count == WIDTH;
        auto get = [&](const float* from) { return whole ? load(from) : load_some(from, count); };
        const Vec bias = tile.last && tile.bias ? get(tile.bias + j * WIDTH) : Vec{};
        const Vec scale = tile.last && tile.scale ? get(tile.scale + j * WIDTH) : splat(1.0f);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
            float* c = tile.c + i * tile.stride + j * WIDTH;
            Vec y = sum[i][j];
            if (!tile.first) y += get(c);
            if (tile.last) {
                y = rounded(y * scale) + bias;
                if (tile.residual) y += get(tile.residual + i * tile.stride + j * WIDTH);
            }
            if (clips) y = clamp(y, low, high);
            if (whole) store(c, y);
            else store_some(c, y, count);
        }
    }
    if (tile.last && tile.activation.kind > Activation::clip) activate_tile(tile, R);
}

using PanelFunction = void (*)(const PanelTile&);

const PanelFunction PANEL_FUNCTIONS[][PANEL_ROWS] = {PANEL_TILES};

void panel(const PanelTile& tile, int rows, int vectors) { PANEL_FUNCTIONS[vectors - 1][rows - 1](tile); }

}  // namespace

extern const PanelF32 PANEL_NAME;
const PanelF32 PANEL_NAME = {PANEL_LABEL, WIDTH, sizeof PANEL_FUNCTIONS / sizeof *PANEL_FUNCTIONS, PANEL_MOST_ROWS,
                             panel};

}  // namespace dsf
