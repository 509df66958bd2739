// Matrix products in float32: packing, cutting into tasks, and the loops around the micro-kernel (gemm_f32.h).
//
//   y[m][n] = clip(sum_k a[m][k] * b[k][n] + bias + residual)
//
// A task is a block of y. For each block of k it packs what is not packed yet of a and b into its slot's scratch (b's
// part is meant to stay in the L2 cache, a panel of a in L1), and runs the micro-kernel over the block's tiles:
//
//   for k block:  b block → scratch;  for row panel:  a panel → scratch;  for column panel:  tile
//
// So a is read once a task, however large it is, and b comes from the L2 cache.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/memory.h"
#include "base/round.h"
#include "base/threads.h"
#include "isa.h"

namespace dsf {

// The length of the blocks that k is summed in: equal ones of at most 384, for 48 columns of which a block is 72 KiB.
inline int64_t block_of_k(int64_t k) { return divide_up(k, divide_up(k, 384)); }

// What the store of a tile does; pointers are to the whole y's row 0, column 0.
struct GemmOutput {
    float* y = nullptr;  // [m][stride]
    int64_t stride = 0;
    const float* row_bias = nullptr;     // [m]
    const float* column_bias = nullptr;  // [n]
    const float* residual = nullptr;     // [m][stride]
    bool accumulate = false;             // y holds what the sums are added to
    bool clip = false;
    float low = 0, high = 0;
    const Threads* threads = nullptr;  // if given: the product ends early where the run is cancelled
};

// a: packed in advance as [row panel][k][ROWS].
struct PackedRows {
    const float* data;
    int64_t k;
    const float* panel(const GemmF32& kernel, int64_t row, int64_t, int64_t k0, int64_t, float*) const {
        return data + row * k + k0 * kernel.rows;
    }
};

// a: any strided matrix, packed panel by panel.
struct StridedRows {
    const float* data;
    int64_t row_stride, k_stride;
    float alpha;
    const float* panel(const GemmF32& kernel, int64_t row, int64_t rows, int64_t k0, int64_t kc, float* scratch) const;
};

// b: packed in advance as [column panel][k][COLUMNS], the last panel narrower (packed_columns_size).
struct PackedColumns {
    const float* data;
    int64_t k;
};

// b: any strided matrix. A b that a task packs has pack(): columns [column, column + columns) of k block k0 as
// to[kc][width], where width is columns rounded up to vectors, and 64 floats after it may be written.
struct StridedColumns {
    const float* data;
    int64_t k_stride, column_stride;
    void pack(const GemmF32& kernel, int64_t column, int64_t columns, int64_t width, int64_t k0, int64_t kc,
              float* to) const;
};

int64_t packed_rows_size(const GemmF32& kernel, int64_t m, int64_t k);
int64_t packed_columns_size(const GemmF32& kernel, int64_t k, int64_t n);

// Packs panel by panel, rows [panel * ROWS, ...) of a strided a.
void pack_rows(const GemmF32& kernel, const float* a, int64_t row_stride, int64_t k_stride, int64_t m, int64_t k,
               float* to);
void pack_columns(const GemmF32& kernel, const float* b, int64_t k_stride, int64_t column_stride, int64_t k, int64_t n,
                  float* to);

// How y is cut: blocks of `rows` by `columns`, whole panels each.
struct GemmBlocks {
    int64_t m, n, k;
    int64_t rows, columns;

    int64_t row_blocks() const { return divide_up(m, rows); }
    int64_t column_blocks() const { return divide_up(n, columns); }
    int64_t tasks() const { return row_blocks() * column_blocks(); }
    int64_t scratch_floats(const GemmF32& kernel, bool columns_are_packed) const;  // of one slot
};

// `copies`: how many such products run together: images, groups, a stack's matrices.
GemmBlocks cut_gemm(const GemmF32& kernel, int64_t m, int64_t n, int64_t k, int64_t copies, int threads);

void gemm_store_tile(const GemmF32& kernel, GemmTile tile, int rows, int columns);

// One task of a product.
template <class Rows, class Columns>
void gemm_task(const GemmF32& kernel, const GemmBlocks& blocks, int64_t task, const Rows& a, const Columns& b,
               const GemmOutput& output, float* scratch) {
    const int64_t m0 = task % blocks.row_blocks() * blocks.rows, m1 = std::min(blocks.m, m0 + blocks.rows);
    const int64_t n0 = task / blocks.row_blocks() * blocks.columns, n1 = std::min(blocks.n, n0 + blocks.columns);
    const int64_t step = block_of_k(blocks.k);
    float* const panel_of_a = scratch;
    float* const block_of_b = scratch + step * kernel.rows;

    for (int64_t k0 = 0; k0 < blocks.k; k0 += step) {
        const int64_t kc = std::min(step, blocks.k - k0);
        if constexpr (!std::is_same_v<Columns, PackedColumns>)
            for (int64_t n = n0; n < n1; n += kernel.columns) {
                const int64_t columns = std::min<int64_t>(kernel.columns, n1 - n);
                b.pack(kernel, n, columns, round_up(columns, kernel.width), k0, kc, block_of_b + (n - n0) * kc);
            }
        for (int64_t m = m0; m < m1; m += kernel.rows) {
            const int64_t rows = std::min<int64_t>(kernel.rows, m1 - m);
            if (output.threads && output.threads->cancelled()) return;
            GemmTile tile;
            tile.a = a.panel(kernel, m, rows, k0, kc, panel_of_a);
            tile.stride = output.stride;
            tile.k = kc;
            tile.first = k0 == 0 && !output.accumulate;
            tile.last = k0 + kc == blocks.k;
            tile.clip = output.clip;
            tile.low = output.low;
            tile.high = output.high;
            tile.row_bias = output.row_bias ? output.row_bias + m : nullptr;
            for (int64_t n = n0; n < n1; n += kernel.columns) {
                const int64_t columns = std::min<int64_t>(kernel.columns, n1 - n);
                const int64_t width = round_up(columns, kernel.width);
                if constexpr (std::is_same_v<Columns, PackedColumns>) tile.b = b.data + n * b.k + k0 * width;
                else tile.b = block_of_b + (n - n0) * kc;
                tile.c = output.y + m * output.stride + n;
                tile.residual = output.residual ? output.residual + m * output.stride + n : nullptr;
                tile.column_bias = output.column_bias ? output.column_bias + n : nullptr;
                if (columns == width) kernel.tile(tile, static_cast<int>(rows), static_cast<int>(width / kernel.width));
                else gemm_store_tile(kernel, tile, static_cast<int>(rows), static_cast<int>(columns));
            }
        }
    }
}

}  // namespace dsf
