// Cutting, packing and the loops of panel products.
#include "panels.h"

#include <cstring>

#include "isa.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py panels.
constexpr int64_t MOST_OF_K = 512;  // in a block
constexpr int64_t WHOLE_K = 768;  // in one all the same: a second block costs more, for it reads c and writes it again
constexpr int64_t SMALL_PANELS = 64 * 1024;  // floats that stay in the L2 cache anyway, 256 KiB: not asked for early

// Rows [k, k + count) of some columns of a matrix, as to[count][width].
void pack_block(const PanelMatrix& b, int64_t k, int64_t count, int64_t column, int64_t columns, int64_t width,
                float* to) {
    const float* from = b.data + k * b.k_stride + column * b.column_stride;
    if (columns < width)
        for (int64_t i = 0; i < count; ++i) std::fill(to + i * width + columns, to + (i + 1) * width, 0.0f);
    if (b.column_stride == 1) {
        const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
        for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * width, from + i * b.k_stride, bytes);
    } else {
        isa().transpose->run(from, b.column_stride, to, width, columns, count);
    }
}

}  // namespace

std::vector<Panel> cut_panels(const PanelF32& kernel, int64_t columns) {
    std::vector<Panel> panels;
    int64_t column = 0;
    for (int64_t left = divide_up(columns, kernel.width); left > 0;) {
        // Panels as equal as they can be: 5 vectors are 3 and 2, for one of 1 would be bound by its broadcasts.
        const int64_t count = divide_up(left, kernel.vectors);
        const int vectors = static_cast<int>(divide_up(left, count));
        const int64_t width = vectors * kernel.width;
        panels.push_back({column, std::min(width, columns - column), vectors, column});
        column += width;
        left -= vectors;
    }
    return panels;
}

std::vector<BlockOfK> cut_k(int64_t segments, int64_t length) {
    std::vector<BlockOfK> blocks;
    const int64_t parts = length <= WHOLE_K ? 1 : divide_up(length, MOST_OF_K), part = divide_up(length, parts);
    const int64_t together = parts > 1 ? 1 : divide_up(segments, divide_up(segments * length, MOST_OF_K));
    for (int64_t s = 0; s < segments; s += together)
        for (int64_t offset = 0; offset < length; offset += part) {
            const int64_t count = std::min(together, segments - s);
            blocks.push_back({s, count, offset, std::min(part, length - offset), s * length + offset});
        }
    return blocks;
}

PanelProduct::PanelProduct(const PanelF32& kernel, int64_t segments, int64_t length, int64_t columns)
    : kernel_(kernel), panels_(cut_panels(kernel, columns)), blocks_(cut_k(segments, length)), k_(segments * length) {
    for (const Panel& panel : panels_) {
        packed_columns_ += panel.vectors * kernel.width;
        for (const BlockOfK& block : blocks_)
            block_floats_ = std::max(block_floats_, block.segments * block.length * panel.vectors * kernel.width);
    }
}

const float* PanelProduct::cells_of(const PanelWeights& weights, const Panel& panel, const BlockOfK& block) const {
    const int64_t width = panel.vectors * kernel_.width, from = panel.at * k_ + block.k * width;
    if (weights.cells) return weights.cells + from;
    const int64_t rows = block.segments * block.length;
    if (weights.codes)
        weights.decode(weights.codes + from * weights.numbers, weights.table, weights.block, rows * width);
    else pack_block(weights.matrix, block.k, rows, panel.column, panel.columns, width, weights.block);
    return weights.block;
}

void PanelProduct::run(const PanelWeights& weights, const PanelTable& table, const PanelRows* rows,
                       const PanelRows* rows_end, int first, int last, const PanelOutput& output) const {
    PanelTile tile{};
    tile.pitch = table.pitch;
    tile.stride = output.stride;
    tile.activation = output.activation;
    const bool is_large = weights.cells && weights.cells_end - weights.cells > SMALL_PANELS;
    const char* const packed_end = is_large ? reinterpret_cast<const char*>(weights.cells_end) : nullptr;
    for (int p = first; p < last; ++p) {
        const Panel& panel = panels_[static_cast<size_t>(p)];
        const int64_t most = kernel_.rows[panel.vectors];
        int64_t all_tiles = 0;
        for (const PanelRows* r = rows; r != rows_end; ++r) all_tiles += divide_up(r->count, most);
        tile.columns = static_cast<int>(panel.columns);
        tile.scale = output.scale ? output.scale + panel.column : nullptr;
        tile.bias = output.bias ? output.bias + panel.column : nullptr;
        for (const BlockOfK& block : blocks_) {
            if (output.threads && output.threads->cancelled()) return;
            tile.offset = table.offset + block.offset;
            tile.segments = block.segments;
            tile.length = block.length;
            tile.first = block.k == 0;
            tile.last = &block == &blocks_.back();
            const int64_t cells = block.segments * block.length * panel.vectors * kernel_.width;
            tile.b = cells_of(weights, panel, block);
            // Meanwhile the next block comes into the L2 cache, a share of it with each tile.
            const int64_t share = divide_up(cells, all_tiles) * static_cast<int64_t>(sizeof(float));
            tile.prefetch_end = packed_end ? reinterpret_cast<const char*>(tile.b) + share * all_tiles : nullptr;
            tile.rows = table.runs + block.segment * table.pitch;
            for (const PanelRows* r = rows; r != rows_end; ++r) {
                const int64_t tiles = divide_up(r->count, most);
                for (int64_t t = 0; t < tiles; ++t) {
                    const int64_t begin = r->count * t / tiles, end = r->count * (t + 1) / tiles;
                    const int64_t at = r->at + begin * output.stride + panel.column;
                    tile.prefetch = tile.prefetch_end;
                    if (packed_end) tile.prefetch_end = std::min(tile.prefetch + share, packed_end);
                    tile.c = output.y + at;
                    tile.residual = output.residual ? output.residual + at : nullptr;
                    kernel_.tile(tile, static_cast<int>(end - begin), panel.vectors);
                    tile.rows += end - begin;
                }
            }
        }
    }
}

}  // namespace dsf
