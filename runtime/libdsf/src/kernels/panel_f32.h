// panel_f32: the micro-kernel of products whose left rows lie anywhere in memory; only the right side is packed.
//
//   c[i][j] = activation(scale[j] * sum over (s, t) of rows[s][i][t] * b[s * length + t][j] + bias[j] + residual[i][j])
//
// A row of the product is `segments` runs of `length` floats: a 3x3 convolution over images [H][W][C] has 9 runs of C
// floats for each output pixel, a matrix has one run for each of its rows. Nothing is copied to make them neighbours.
//
//   packed b   panels of 1 to VECTORS vectors:   [panel][k][vectors * WIDTH]   columns that are not there are 0
//
// Sums over k are made in blocks (panels.h), each from zero, and the blocks are added in order: the result depends
// neither on the number of threads nor on how rows and columns are cut into tasks.
#pragma once

#include <stdint.h>

#include "activation.h"

namespace dsf {

constexpr int PANEL_ROWS = 8;     // the most rows of a tile
constexpr int PANEL_VECTORS = 4;  // the most vectors of a tile

struct PanelTile {
    const float* const* rows;  // [segments][pitch]: where each run starts; the tile's rows are the first ones
    int64_t pitch;
    int64_t offset;  // floats into each run
    int64_t segments, length;
    const float* b;        // [segments * length][vectors * WIDTH]
    const char* prefetch;  // what the tile brings into the L2 cache meanwhile, or null: a line for each k
    const char* prefetch_end;
    float* c;  // [rows][stride]
    int64_t stride;
    int columns;            // of c, the last vector may be cut short
    bool first;             // c is written; otherwise added to
    bool last;              // scale, bias, residual and activation are applied
    const float* scale;     // [columns], or null
    const float* bias;      // [columns], or null
    const float* residual;  // [rows][stride], or null
    Activation activation;
};

struct PanelF32 {
    const char* name;
    int width;                    // WIDTH: floats a vector
    int vectors;                  // the widest panel
    int rows[PANEL_VECTORS + 1];  // the most rows of a tile, by the vectors of its panel
    void (*tile)(const PanelTile& tile, int rows, int vectors);
};

extern const PanelF32 panel_f32_scalar, panel_f32_neon, panel_f32_avx2, panel_f32_avx512;

}  // namespace dsf
