// Packing and cutting for matrix products.
#include "gemm.h"

#include <cstring>

namespace dsf {

const float* StridedRows::panel(const GemmF32& kernel, int64_t row, int64_t rows, int64_t k0, int64_t kc,
                                float* scratch) const {
    for (int64_t i = 0; i < rows; ++i) {
        const float* from = data + (row + i) * row_stride + k0 * k_stride;
        float* to = scratch + i;
        if (alpha == 1.0f)
            for (int64_t k = 0; k < kc; ++k) to[k * kernel.rows] = from[k * k_stride];
        else
            for (int64_t k = 0; k < kc; ++k) to[k * kernel.rows] = alpha * from[k * k_stride];
    }
    return scratch;  // rows that are not there are not read: the tile has that many rows
}

void StridedColumns::pack(const GemmF32&, int64_t column, int64_t columns, int64_t width, int64_t k0, int64_t kc,
                          float* to) const {
    const float* from = data + k0 * k_stride + column * column_stride;
    if (column_stride == 1) {
        for (int64_t k = 0; k < kc; ++k) {
            std::memcpy(to + k * width, from + k * k_stride, static_cast<size_t>(columns) * sizeof(float));
            for (int64_t j = columns; j < width; ++j) to[k * width + j] = 0;
        }
        return;
    }
    // Sixteen columns of sixteen k at a time, so that both sides stay in cache whatever the strides.
    for (int64_t kk = 0; kk < kc; kk += 16)
        for (int64_t j = 0; j < width; ++j)
            for (int64_t k = kk; k < std::min(kc, kk + 16); ++k)
                to[k * width + j] = j < columns ? from[k * k_stride + j * column_stride] : 0.0f;
}

int64_t packed_rows_size(const GemmF32& kernel, int64_t m, int64_t k) { return round_up(m, kernel.rows) * k; }

int64_t packed_columns_size(const GemmF32& kernel, int64_t k, int64_t n) { return round_up(n, kernel.width) * k; }

void pack_rows(const GemmF32& kernel, const float* a, int64_t row_stride, int64_t k_stride, int64_t m, int64_t k,
               float* to) {
    const StridedRows rows{a, row_stride, k_stride, 1.0f};
    for (int64_t row = 0; row < m; row += kernel.rows)
        rows.panel(kernel, row, std::min<int64_t>(kernel.rows, m - row), 0, k, to + row * k);
}

void pack_columns(const GemmF32& kernel, const float* b, int64_t k_stride, int64_t column_stride, int64_t k, int64_t n,
                  float* to) {
    const StridedColumns columns{b, k_stride, column_stride};
    for (int64_t column = 0; column < n; column += kernel.columns) {
        const int64_t count = std::min<int64_t>(kernel.columns, n - column);
        columns.pack(kernel, column, count, round_up(count, kernel.width), 0, k, to + column * k);
    }
}

int64_t GemmBlocks::scratch_floats(const GemmF32& kernel, bool columns_are_packed) const {
    const int64_t step = block_of_k(k);
    const int64_t width = columns_are_packed ? 0 : round_up(std::min(columns, n), kernel.width);
    return round_up(step * (kernel.rows + width) + 64, 16);
}

GemmBlocks cut_gemm(const GemmF32& kernel, int64_t m, int64_t n, int64_t k, int64_t copies, int threads) {
    // A block of b: about 10 panels of 48 columns, 720 KiB at the largest block of k; all rows share its packing.
    constexpr int64_t COLUMNS = 480, ENOUGH_WORK = int64_t(1) << 18;  // multiplications that are worth a task
    const int64_t row_panels = divide_up(m, kernel.rows), column_panels = divide_up(n, kernel.columns);
    int64_t column_blocks = divide_up(n, COLUMNS), row_blocks = 1;
    const int64_t worth = 1 + m * n * copies / divide_up(ENOUGH_WORK, k);
    const int64_t wanted = threads == 1 ? 1 : std::min<int64_t>(threads * 4, worth);
    while (row_blocks * column_blocks * copies < wanted) {
        // Whichever side has more left: a cut costs the packing of the other side once more.
        const int64_t rows = row_panels * kernel.rows / row_blocks;
        const int64_t columns = column_panels * kernel.columns / column_blocks;
        if (columns >= rows && column_blocks < column_panels) ++column_blocks;
        else if (row_blocks < row_panels) ++row_blocks;
        else if (column_blocks < column_panels) ++column_blocks;
        else break;
    }
    GemmBlocks blocks{m, n, k, 0, 0};
    blocks.rows = divide_up(row_panels, row_blocks) * kernel.rows;
    blocks.columns = divide_up(column_panels, column_blocks) * kernel.columns;
    return blocks;
}

void gemm_store_tile(const GemmF32& kernel, GemmTile tile, int rows, int columns) {
    float c[MAX_TILE], residual[MAX_TILE], column_bias[MAX_TILE];
    const int vectors = (columns + kernel.width - 1) / kernel.width, stride = vectors * kernel.width;
    const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
    float* const y = tile.c;
    for (int i = 0; i < rows; ++i) {
        if (!tile.first) std::memcpy(c + i * stride, y + i * tile.stride, bytes);
        if (tile.last && tile.residual) std::memcpy(residual + i * stride, tile.residual + i * tile.stride, bytes);
    }
    if (tile.column_bias) std::memcpy(column_bias, tile.column_bias, bytes);
    const int64_t y_stride = tile.stride;
    tile.c = c;
    tile.stride = stride;
    tile.residual = tile.residual ? residual : nullptr;
    tile.column_bias = tile.column_bias ? column_bias : nullptr;
    kernel.tile(tile, rows, vectors);
    for (int i = 0; i < rows; ++i) std::memcpy(y + i * y_stride, c + i * stride, bytes);
}

}  // namespace dsf
