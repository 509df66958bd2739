// Winograd's way, F(4x4, 3x3): 36 products of matrices with a quarter of the multiplications; kernels/winograd_f32.h.
//
//   tiles → V [36][tile][channel]     each position: M = V U     M [36][tile][filter] → output
//
// Where there are tiles enough, each task takes a block of them through all three steps, so that V and M stay in its L2
// cache. Where there are few (small images, many channels), all tiles make one block, each step is shared by the
// threads, and the transformed weights, which are then the larger part, are read once.
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "../kernels/isa.h"
#include "convolution_last.h"

namespace dsf {
namespace {

constexpr int64_t SIDE = 4;      // output pixels of a tile
constexpr int64_t SKEW = 16;     // floats between positions, so that 36 streams do not meet in one set of the L1 cache
constexpr int64_t ROUND = 16;    // floats to which channels are rounded up: whole vectors of every instruction set

// G g G', in double: rounded once.
void transform_filter(const float* g, float* to, int64_t stride) {
    static const double G[6][3] = {{1.0 / 4, 0, 0},           {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                   {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
    double half[6][3];
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 3; ++j) half[i][j] = G[i][0] * g[j] + G[i][1] * g[3 + j] + G[i][2] * g[6 + j];
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j)
            to[(i * 6 + j) * stride] =
                static_cast<float>(half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2]);
}

class WinogradConvolution final : public Kernel {
public:
    WinogradConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          tiles_y_(divide_up(c.y.output, SIDE)),
          tiles_x_(divide_up(c.x.output, SIDE)),
          tiles_(c.images * tiles_y_ * tiles_x_),
          product_(*isa().panel, 1, c.channels, c.filters),
          epilogue_(preparation),
          slots_(preparation.threads),
          v_row_(round_up(c.channels, ROUND)),
          m_row_(round_up(c.filters, ROUND)),
          zeros_(c.channels) {
        std::fill(zeros_.data(), zeros_.data() + c.channels, 0.0f);
        constexpr int64_t FLOATS = 192 * 1024;  // of V and M of a block: 768 KiB
        constexpr int64_t FEWEST = 12, ENOUGH = 24, MOST = 64;
        block_ = std::clamp(FLOATS / (WINOGRAD_POSITIONS * (v_row_ + m_row_)), FEWEST, MOST);
        if (slots_ > 1) block_ = std::min(block_, std::max(ENOUGH, tiles_ / (2 * slots_)));
        shared_ = tiles_ < (slots_ > 1 ? 2 * slots_ * std::min(block_, ENOUGH) : 2 * block_);
        if (shared_) block_ = tiles_;
        const int64_t blocks = divide_up(tiles_, block_);
        block_ = divide_up(tiles_, shared_ ? 1 : round_up(blocks, slots_));  // as many for each thread
        packed_ = pack(preparation);
    }
    const char* name() const override { return kernel_.name; }
    bool reads_weight(int input) const override { return input != 1; }
    size_t scratch_bytes() const override {
        const int64_t blocks = shared_ ? 1 : slots_;
        return static_cast<size_t>(blocks * block_floats()) * sizeof(float) +
               static_cast<size_t>(slots_ * table_size()) * sizeof(float*);
    }

    void run(const Run& run) const override {
        float* scratch = static_cast<float*>(run.scratch);
        const float** tables = reinterpret_cast<const float**>(scratch + (shared_ ? 1 : slots_) * block_floats());
        if (shared_) return run_shared(run, scratch, tables);
        for_slots(run.threads, slots_, divide_up(tiles_, block_), [&](int64_t slot, int64_t block) {
            const int64_t begin = block * block_, count = std::min(block_, tiles_ - begin);
            float *v = scratch + slot * block_floats(), *m = v + v_floats();
            for (int64_t i = 0; i < count; ++i) input_tile(run, begin + i, v + i * v_row_);
            for (int64_t position = 0; position < WINOGRAD_POSITIONS; ++position)
                multiply(v, m, position, count, 0, product_.panels(), tables + slot * table_size());
            for (int64_t i = 0; i < count; ++i) output_tile(run, begin + i, m + i * m_row_);
        });
    }

private:
    int64_t v_stride() const { return block_ * v_row_ + SKEW; }
    int64_t m_stride() const { return block_ * m_row_ + SKEW; }
    int64_t v_floats() const { return WINOGRAD_POSITIONS * v_stride(); }
    int64_t block_floats() const { return WINOGRAD_POSITIONS * (v_stride() + m_stride()); }
    int64_t table_size() const { return round_up(block_, 8); }

    std::shared_ptr<const Floats> pack(const Preparation& preparation) const {
        const std::string form = std::string(product_.kernel().name) + " winograd";
        const int weight = index_of(preparation, *preparation.weight(1));
        return preparation.model.prepared.get<Floats>(weight, form, [&] {
            auto packed = std::make_shared<Floats>(WINOGRAD_POSITIONS * product_.packed_floats());
            std::vector<int64_t> in_order(static_cast<size_t>(c_.channels));
            std::iota(in_order.begin(), in_order.end(), 0);
            for (int p = 0; p < product_.panels(); ++p) {
                const int64_t first = product_.panel(p).column, count = product_.panel(p).columns, k = c_.channels;
                Floats transformed(WINOGRAD_POSITIONS * count * k);
                for_filters(preparation, first, first + count, count, k * 9, [&](int64_t, const float* w) {
                    for (int64_t i = 0; i < count * k; ++i)
                        transform_filter(w + i * 9, transformed.data() + i, count * k);
                });
                for (int64_t position = 0; position < WINOGRAD_POSITIONS; ++position)
                    product_.pack(p, transformed.data() + position * count * k, k, in_order, 1, [](float w) { return w; },
                                  packed->data() + position * product_.packed_floats());
            }
            return packed;
        });
    }

    void run_shared(const Run& run, float* v, const float** tables) const {
        float* m = v + v_floats();
        for_items(run.threads, tiles_, WINOGRAD_POSITIONS * c_.channels, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) input_tile(run, i, v + i * v_row_);
        });
        const int64_t panels = product_.panels();
        for_slots(run.threads, slots_, WINOGRAD_POSITIONS * panels, [&](int64_t slot, int64_t item) {
            const int panel = static_cast<int>(item % panels);
            multiply(v, m, item / panels, tiles_, panel, panel + 1, tables + slot * table_size());
        });
        for_items(run.threads, tiles_, WINOGRAD_POSITIONS * c_.filters, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) output_tile(run, i, m + i * m_row_);
        });
    }

    void multiply(const float* v, float* m, int64_t position, int64_t count, int first, int last,
                  const float** table) const {
        for (int64_t i = 0; i < count; ++i) table[i] = v + position * v_stride() + i * v_row_;
        PanelWeights weights;
        weights.cells = packed_->data() + position * product_.packed_floats();
        weights.cells_end = packed_->data() + WINOGRAD_POSITIONS * product_.packed_floats();
        product_.run(weights, table, count, count, first, last, {m + position * m_stride(), m_row_});
    }

    void input_tile(const Run& run, int64_t tile, float* v) const {
        const float* pixels[WINOGRAD_POSITIONS];
        const int64_t image = tile / (tiles_y_ * tiles_x_);
        const int64_t y = tile / tiles_x_ % tiles_y_ * SIDE - c_.y.before, x = tile % tiles_x_ * SIDE - c_.x.before;
        const float* from = run.inputs[0].as<const float>() + image * c_.y.input * c_.x.input * c_.channels;
        for (int64_t i = 0; i < WINOGRAD_POSITIONS; ++i) {
            const int64_t iy = y + i / 6, ix = x + i % 6;
            const bool inside = iy >= 0 && iy < c_.y.input && ix >= 0 && ix < c_.x.input;
            pixels[i] = inside ? from + (iy * c_.x.input + ix) * c_.channels : zeros_.data();
        }
        kernel_.input({pixels, c_.channels, v, v_stride()});
    }

    void output_tile(const Run& run, int64_t tile, const float* m) const {
        const int64_t image = tile / (tiles_y_ * tiles_x_);
        const int64_t y = tile / tiles_x_ % tiles_y_ * SIDE, x = tile % tiles_x_ * SIDE;
        const PanelOutput output =
            epilogue_.at(run, c_.filters, (image * c_.y.output + y) * c_.x.output + x, 0);
        const int rows = static_cast<int>(std::min(SIDE, c_.y.output - y));
        const int columns = static_cast<int>(std::min(SIDE, c_.x.output - x));
        kernel_.output({m, m_stride(), c_.filters, rows, columns, output.y, c_.x.output * c_.filters, c_.filters,
                        output.bias, output.residual, output.activation});
    }

    const WinogradF32& kernel_ = *isa().winograd;
    Convolution c_;
    int64_t tiles_y_, tiles_x_, tiles_;
    PanelProduct product_;
    LastEpilogue epilogue_;
    int64_t slots_, v_row_, m_row_;
    int64_t block_ = 1;     // tiles
    bool shared_ = false;   // one block, and the threads share each step
    Floats zeros_;          // [channels]
    std::shared_ptr<const Floats> packed_;  // [36] packed panels
};

// DSF_WINOGRAD=0 in the environment: every convolution is a plain sum of products.
bool is_allowed() {
    static const bool allowed = [] {
        const char* wanted = std::getenv("DSF_WINOGRAD");
        return !wanted || std::strcmp(wanted, "0") != 0;
    }();
    return allowed;
}

}  // namespace

// Estimates in multiplications' time. A transform costs about 10 for each number; a weight that comes from memory about
// 10 as well, and there are four times as many.
bool winograd_wins(const Convolution& c) {
    if (c.y.kernel != 3 || c.x.kernel != 3 || c.y.stride != 1 || c.x.stride != 1 || c.y.dilation != 1 ||
        c.x.dilation != 1 || c.groups != 1 || c.channels < 32 || c.filters < 32 || !is_allowed())
        return false;
    constexpr int64_t TRANSFORM = 10, WEIGHT = 10;
    const int64_t weights = c.channels * c.filters, positions = WINOGRAD_POSITIONS;
    const int64_t tiles = divide_up(c.y.output, SIDE) * divide_up(c.x.output, SIDE);
    const int64_t direct = 9 * weights * (c.y.output * c.x.output + WEIGHT);
    const int64_t winograd = positions * (tiles * (weights + TRANSFORM * (c.channels + c.filters)) + WEIGHT * weights);
    return winograd + winograd / 16 < direct;
}

std::unique_ptr<Kernel> prepare_winograd(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<WinogradConvolution>(preparation, convolution);
}

}  // namespace dsf
