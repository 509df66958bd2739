// Products by panel_f32: how the right side is cut into panels and packed, how k is cut into blocks, and the loops.
//
//   for panel:  for block of k:  for tile of rows:  micro-kernel
//
// A block of one panel, at most 512 x 64 floats, stays in the L2 cache while all rows pass by; the rows are read where
// they lie, once a panel.
#pragma once

#include <algorithm>
#include <vector>

#include "base/round.h"
#include "base/threads.h"
#include "panel_f32.h"

namespace dsf {

struct Panel {
    int64_t column;  // the first one
    int64_t columns;
    int vectors;
    int64_t at;  // of the packed floats of each k: where this panel's start, all of the panels before it
};

// Full vectors first; no panel is narrower than it must be. The last one's last vector may be partly empty.
std::vector<Panel> cut_panels(const PanelF32& kernel, int64_t columns);

struct BlockOfK {
    int64_t segment, segments, offset, length;
    int64_t k;  // of the packed panel: the block's first
};

// Blocks of whole segments, or equal parts of one, of at most about 512 products.
std::vector<BlockOfK> cut_k(int64_t segments, int64_t length);

// A right side that is not packed: element (k, column) is at k * k_stride + column * column_stride.
struct PanelMatrix {
    const float* data = nullptr;
    int64_t k_stride = 0, column_stride = 0;
};

// The right side: packed cells of 32 bits, a float or two bfloat16 numbers, or what a block of a panel at a time becomes
// such cells: codes, or a matrix that is only known at run time.
struct PanelWeights {
    const float* cells = nullptr;      // packed
    const float* cells_end = nullptr;  // of this product and those that follow it
    const uint8_t* codes = nullptr;    // packed alike, one byte a number; if cells is null
    const float* table = nullptr;      // of codes: [DECODE_CODES]
    void (*decode)(const uint8_t* codes, const float* table, float* to, int64_t cells) = nullptr;
    int numbers = 1;         // of a cell
    PanelMatrix matrix;      // if there are neither cells nor codes; of a product of one segment
    float* block = nullptr;  // [block_floats()]: where a block of codes or of the matrix becomes cells
};

// What the store of a tile does; pointers are to row 0, column 0.
struct PanelOutput {
    float* y;
    int64_t stride;
    const float* scale = nullptr;     // [columns]
    const float* bias = nullptr;      // [columns]
    const float* residual = nullptr;  // [rows][stride]
    Activation activation = {};
    const Threads* threads = nullptr;  // if given: the product ends early where the run is cancelled
};

// Rows of a product that lie evenly in y, PanelOutput::stride apart.
struct PanelRows {
    int64_t count;
    int64_t at;  // floats into y and residual
};

// Where the rows' runs start: [segments][pitch], and `offset` floats further.
struct PanelTable {
    const float* const* runs;
    int64_t pitch;
    int64_t offset = 0;
};

class PanelProduct {
public:
    PanelProduct(const PanelF32& kernel, int64_t segments, int64_t length, int64_t columns);

    const PanelF32& kernel() const { return kernel_; }
    int panels() const { return static_cast<int>(panels_.size()); }
    const Panel& panel(int index) const { return panels_[static_cast<size_t>(index)]; }
    int64_t k() const { return k_; }
    int64_t packed_floats() const { return k_ * packed_columns_; }
    int64_t block_floats() const { return block_floats_; }  // of the largest block of a panel

    // Packs the columns of a panel: column j's k-th number is values[j * stride + order(k)]; -1 in order is a 0. A cell
    // holds `numbers` numbers that are neighbours in k. as(float) gives a number its packed form.
    template <class Order, class Number, class As>
    void pack(int panel, const float* values, int64_t stride, const Order& order, int numbers, As as,
              Number* packed) const {
        const Panel& p = panels_[static_cast<size_t>(panel)];
        const int64_t width = p.vectors * kernel_.width;
        Number* to = packed + p.at * k_ * numbers;
        const Number zero = as(0.0f);
        for (int64_t k = 0; k < k_; ++k, to += width * numbers)
            for (int n = 0; n < numbers; ++n) {
                const int64_t at = order(k * numbers + n);
                const int64_t count = at >= 0 ? p.columns : 0;
                for (int64_t j = 0; j < count; ++j) to[j * numbers + n] = as(values[j * stride + at]);
                for (int64_t j = count; j < width; ++j) to[j * numbers + n] = zero;
            }
    }

    // All rows of a table, of panels [first, last).
    void run(const PanelWeights& weights, const PanelTable& table, int first, int last,
             const PanelOutput& output) const {
        const PanelRows all{table.pitch, 0};
        run(weights, table, &all, &all + 1, first, last, output);
    }
    // The same of rows that lie in several places of y, one after the other in the table.
    void run(const PanelWeights& weights, const PanelTable& table, const PanelRows* rows, const PanelRows* rows_end,
             int first, int last, const PanelOutput& output) const;

private:
    // A block's cells: where they are packed, or made of what the weights are.
    const float* cells_of(const PanelWeights& weights, const Panel& panel, const BlockOfK& block) const;

    const PanelF32& kernel_;
    std::vector<Panel> panels_;
    std::vector<BlockOfK> blocks_;
    int64_t k_, packed_columns_ = 0, block_floats_ = 0;
};

}  // namespace dsf
