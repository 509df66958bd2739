// gemm_f32: the micro-kernel of float32 matrix products, and the packing it wants.
//
//   c[i][j] = sum_k a[i][k] * b[k][j]
//
//   packed a   panels of ROWS rows:         [row panel][k][ROWS]        missing rows are 0
//   packed b   panels of COLUMNS columns:   [column panel][k][COLUMNS]  the last panel is only as wide as it needs,
//                                                                       rounded up to vectors of WIDTH
//
// Sums over k are made in blocks (gemm.h: block_of_k), each from zero, and the blocks are added in order: the result
// depends neither on the number of threads nor on how rows and columns are cut into tasks.
#pragma once

#include <stdint.h>

namespace dsf {

// One tile of c.
struct GemmTile {
    const float* a;  // [k][ROWS]
    const float* b;  // [k][vectors * WIDTH]
    float* c;        // [rows][stride]
    int64_t stride;
    int64_t k;
    bool first;  // c is written; otherwise added to
    bool last;   // bias, residual and clip are applied
    bool clip;
    const float* row_bias;     // [rows], or null
    const float* column_bias;  // [vectors * WIDTH], or null
    const float* residual;     // [rows][stride], or null
    float low, high;           // c = min(max(c, low), high) if clip; NaN stays NaN
};

// Copies runs of image pixels into a packed b panel:
//
//   to[k][column] = base[offsets[k] + run.from + (column - run.column)]
//
// Whole vectors are copied: up to WIDTH - 1 floats are read past a run's end and written past a row's end.
struct PixelRun {
    int32_t column;
    int32_t count;
    int64_t from;
};
struct PixelPack {
    float* to;      // [k][width], and WIDTH floats of slack
    int64_t width;  // floats between two rows of to
    const float* base;
    const int64_t* offsets;  // [k]
    int64_t k;
    const PixelRun* runs;  // in order of column
    int run_count;
};

struct GemmF32 {
    const char* name;
    int rows, columns, width;                                   // ROWS, COLUMNS, WIDTH
    void (*tile)(const GemmTile& tile, int rows, int vectors);  // 1..ROWS, 1..COLUMNS / WIDTH
    void (*pack_pixels)(const PixelPack& pack);
};

constexpr int MAX_TILE = 8 * 48;  // ROWS * COLUMNS of the largest micro-kernel

extern const GemmF32 gemm_f32_scalar, gemm_f32_avx2, gemm_f32_avx512;

}  // namespace dsf
