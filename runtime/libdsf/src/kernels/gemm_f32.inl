// gemm_f32: one micro-kernel for all instruction sets. Before including: GEMM_NAME, GEMM_LABEL, GEMM_ROWS and
// GEMM_VECTORS.
//
// ROWS * VECTORS sums stay in registers; each step of k loads VECTORS vectors of b and broadcasts ROWS floats of a. Rows
// and vectors are template parameters, so an edge tile costs only what it computes.
#include "gemm_f32.h"
#include "vector.inl"

namespace dsf {
namespace {

template <int R, int V> void gemm_tile(const GemmTile& tile) {
    Vec sum[R][V];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) sum[i][j] = Vec{};

    const float* a = tile.a;
    const float* b = tile.b;
    for (int64_t k = tile.k; k > 0; --k, a += GEMM_ROWS, b += V * WIDTH) {
        Vec column[V];
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) column[j] = load(b + j * WIDTH);
#pragma GCC unroll 8
        for (int i = 0; i < R; ++i) {
            const Vec row = splat(a[i]);
#pragma GCC unroll 4
            for (int j = 0; j < V; ++j) sum[i][j] += row * column[j];
        }
    }

    const Vec low = splat(tile.low), high = splat(tile.high);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
        float* c = tile.c + i * tile.stride;
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) {
            Vec y = sum[i][j];
            if (!tile.first) y += load(c + j * WIDTH);
            if (tile.last) {
                if (tile.row_bias) y += splat(tile.row_bias[i]);
                if (tile.column_bias) y += load(tile.column_bias + j * WIDTH);
                if (tile.residual) y += load(tile.residual + i * tile.stride + j * WIDTH);
                if (tile.clip) y = clamp(y, low, high);
            }
            store(c + j * WIDTH, y);
        }
    }
}

using TileFunction = void (*)(const GemmTile&);

#define GEMM_ROW_OF_TILES(R) {gemm_tile<R, 1>, gemm_tile<R, 2>, gemm_tile<R, GEMM_VECTORS>}

const TileFunction TILES[GEMM_ROWS][3] = {
    GEMM_ROW_OF_TILES(1), GEMM_ROW_OF_TILES(2), GEMM_ROW_OF_TILES(3), GEMM_ROW_OF_TILES(4),
#if GEMM_ROWS == 8
    GEMM_ROW_OF_TILES(5), GEMM_ROW_OF_TILES(6), GEMM_ROW_OF_TILES(7), GEMM_ROW_OF_TILES(8),
#endif
};

void tile(const GemmTile& tile, int rows, int vectors) { TILES[rows - 1][vectors - 1](tile); }

void pack_pixels(const PixelPack& pack) {
    float* to = pack.to;
    for (int64_t k = 0; k < pack.k; ++k, to += pack.width) {
        const float* from = pack.base + pack.offsets[k];
        for (int r = 0; r < pack.run_count; ++r) {
            const PixelRun run = pack.runs[r];
            for (int i = 0; i < run.count; i += WIDTH) store(to + run.column + i, load(from + run.from + i));
        }
    }
}

}  // namespace

extern const GemmF32 GEMM_NAME;
const GemmF32 GEMM_NAME = {GEMM_LABEL, GEMM_ROWS, GEMM_VECTORS * WIDTH, WIDTH, tile, pack_pixels};

static_assert(GEMM_ROWS * GEMM_VECTORS * WIDTH <= MAX_TILE, "the driver's edge tile would overflow");

}  // namespace dsf
