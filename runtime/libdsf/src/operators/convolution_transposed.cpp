// The transposed way: of a convolution whose image has zeros between its pixels, the taps that meet pixels, phase by
// phase. A phase is a product as in the direct way, whose rows lie `expand` pixels apart in the output.
#include "convolution.h"
#include "kernels/isa.h"

namespace dsf {
namespace {

class TransposedConvolution final : public Kernel {
public:
    TransposedConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          y_(phases_of(c.y, TapOrder::flipped)),
          x_(phases_of(c.x, TapOrder::flipped)),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(c.all_channels()) {
        std::fill(zeros_.data(), zeros_.data() + c.all_channels(), 0.0f);
        for (const Phase& y : y_)
            for (const Phase& x : x_) {
                if (!find_product(taps_of(y, x)))
                    products_.emplace_back(*isa().panel, taps_of(y, x), c.channels, c.filters);
                most_taps_ = std::max(most_taps_, taps_of(y, x));
            }
        if (y_.empty() || x_.empty()) return;
        for (const Phase& x : x_) all_x_taps_ += static_cast<int64_t>(x.taps.size());
        for (const Phase& y : y_) all_taps_ += static_cast<int64_t>(y.taps.size()) * all_x_taps_;
        const int64_t phases = static_cast<int64_t>(y_.size() * x_.size());
        blocks_ = cut_product(*find_product(most_taps_), c.images * y_[0].count * x_[0].count, c.groups * phases,
                              preparation.threads);
        if (const Weight* weight = preparation.weight(1)) prepare_weight(preparation, *weight);
    }
    const char* name() const override { return isa().panel->name; }
    bool reads_weight(int input) const override { return input != 1 || !packed_; }
    size_t table_bytes() const override {
        return static_cast<size_t>(floats_bytes(c_.all_channels())) + dsf::table_bytes(y_) + dsf::table_bytes(x_);
    }
    size_t scratch_bytes() const override {
        return static_cast<size_t>(computed_floats()) * sizeof(float) + static_cast<size_t>(slots_) * slot_bytes();
    }

    void run(const Run& run) const override {
        fill_gaps(run, c_, y_, x_, epilogue_);
        float* const computed = static_cast<float*>(run.scratch);
        char* const slots = reinterpret_cast<char*>(computed + computed_floats());
        if (!packed_) pack(run.inputs[1].as<const float>(), computed, run.threads);
        const float* const weights = packed_ ? packed_->data() : computed;
        const int64_t phases = static_cast<int64_t>(y_.size() * x_.size());
        const int64_t tasks = phases * blocks_.row_blocks * blocks_.panel_blocks * c_.groups;
        int64_t tabled[MAX_THREADS];  // by slot: the rows that its table is of; the groups of a pixel share it
        std::fill(tabled, tabled + MAX_THREADS, -1);
        for_slots(run.threads, slots_, tasks, [&](int64_t slot, int64_t item) {
            const int64_t group = item % c_.groups, part = item / c_.groups % blocks_.panel_blocks;
            const int64_t block_of_phase = item / c_.groups / blocks_.panel_blocks;
            const int64_t phase = block_of_phase / blocks_.row_blocks, block = block_of_phase % blocks_.row_blocks;
            const Phase& y = y_[static_cast<size_t>(phase) / x_.size()];
            const Phase& x = x_[static_cast<size_t>(phase) % x_.size()];
            const int64_t rows = c_.images * y.count * x.count;
            const int64_t begin = rows * block / blocks_.row_blocks, end = rows * (block + 1) / blocks_.row_blocks;
            if (begin == end) return;
            const float** table = reinterpret_cast<const float**>(slots + static_cast<size_t>(slot) * slot_bytes());
            PanelRows* const lines = reinterpret_cast<PanelRows*>(table + most_taps_ * most_rows());
            if (tabled[slot] != block_of_phase)
                find_taps(c_, y, x, run.inputs[0].as<const float>(), c_.all_channels(), zeros_.data(), begin, end,
                          table);
            tabled[slot] = block_of_phase;
            PanelOutput output = epilogue_.at(run, c_.all_filters(), 0, group * c_.filters);
            output.stride = c_.x.expand * c_.all_filters();
            const PanelProduct& product = *find_product(taps_of(y, x));
            PanelWeights panels;
            panels.cells = weights + packed_at(group, y, x);
            panels.cells_end = panels.cells + product.packed_floats();
            product.run(panels, {table, end - begin, group * c_.channels}, lines, find_lines(y, x, begin, end, lines),
                        static_cast<int>(product.panels() * part / blocks_.panel_blocks),
                        static_cast<int>(product.panels() * (part + 1) / blocks_.panel_blocks), output);
        });
    }

private:
    static int64_t taps_of(const Phase& y, const Phase& x) {
        return static_cast<int64_t>(y.taps.size() * x.taps.size());
    }

    // Of phases with so many taps; there are few such numbers.
    const PanelProduct* find_product(int64_t taps) const {
        for (const PanelProduct& product : products_)
            if (product.k() == taps * c_.channels) return &product;
        return nullptr;
    }

    int64_t most_rows() const { return round_up(blocks_.rows, 8); }
    size_t slot_bytes() const {
        return static_cast<size_t>(most_rows()) *
               (static_cast<size_t>(most_taps_) * sizeof(float*) + sizeof(PanelRows));
    }

    // Where an output row ends, the next one of the phase begins elsewhere, unless nothing lies between them.
    PanelRows* find_lines(const Phase& y, const Phase& x, int64_t begin, int64_t end, PanelRows* lines) const {
        const int64_t channels = c_.all_filters(), step = c_.x.expand * channels;
        PanelRows* last = nullptr;
        for (int64_t i = begin; i < end;) {
            const int64_t line = i / x.count, ox = i % x.count, count = std::min(end - i, x.count - ox);
            const int64_t row = line / y.count * c_.y.output + y.first + line % y.count * c_.y.expand;
            const int64_t at = (row * c_.x.output + x.first) * channels + ox * step;
            if (last && at == last->at + last->count * step) last->count += count;
            else *(last = last ? last + 1 : lines) = {count, at};
            i += count;
        }
        return last + 1;
    }

    // [group][phase][its packed panels]
    int64_t columns() const { return products_[0].packed_floats() / products_[0].k(); }
    int64_t group_floats() const { return all_taps_ * c_.channels * columns(); }
    int64_t computed_floats() const {
        return packed_ || products_.empty() ? 0 : round_up(c_.groups * group_floats(), 16);
    }
    int64_t packed_at(int64_t group, const Phase& y, const Phase& x) const {
        const int64_t taps = y.taps_before * all_x_taps_ + static_cast<int64_t>(y.taps.size()) * x.taps_before;
        return group * group_floats() + taps * c_.channels * columns();
    }

    void prepare_weight(const Preparation& preparation, const Weight& weight) {
        std::vector<int32_t> taps;
        for_taps(y_, x_, [&](const Tap& ky, const Tap& kx) {
            taps.push_back(static_cast<int32_t>(ky.number * c_.x.kernel + kx.number));
        });
        std::vector<int64_t> numbers{c_.groups, static_cast<int64_t>(y_.size())};
        for (const auto* axis : {&y_, &x_})
            for (const Phase& phase : *axis) numbers.push_back(static_cast<int64_t>(phase.taps.size()));
        const PreparedKey key{index_of(preparation, weight), Packing::panels_of_phases, isa().panel, numbers, taps};
        const int64_t floats = c_.groups * group_floats();
        packed_ = preparation.model.prepared.get<Floats>(key, floats_bytes(floats), [&] {
            auto packed = std::make_shared<Floats>(floats);
            const Floats values = decode_floats(weight);
            for (int64_t i = 0; i < pieces(); ++i) pack_piece(values.data(), i, packed->data());
            return packed;
        });
    }

    void pack(const float* weight, float* to, Threads& threads) const {
        if (products_.empty()) return;
        for_items(threads, pieces(), c_.channels * most_taps_ * columns() / products_[0].panels(),
                  [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) pack_piece(weight, i, to);
                  });
    }

    // A panel of a phase of a group. weight: [groups][channels][filters][taps].
    int64_t pieces() const { return c_.groups * static_cast<int64_t>(y_.size() * x_.size()) * products_[0].panels(); }
    void pack_piece(const float* weight, int64_t piece, float* to) const {
        const int64_t panels = products_[0].panels(), phases = static_cast<int64_t>(y_.size() * x_.size());
        const int64_t group = piece / panels / phases, phase = piece / panels % phases;
        const int panel = static_cast<int>(piece % panels);
        const Phase& y = y_[static_cast<size_t>(phase) / x_.size()];
        const Phase& x = x_[static_cast<size_t>(phase) % x_.size()];
        const PanelProduct& product = *find_product(taps_of(y, x));
        const int64_t x_taps = static_cast<int64_t>(x.taps.size()), channel_size = c_.filters * c_.taps();
        const auto number = [&](int64_t k) {
            const int64_t tap = k / c_.channels, channel = k % c_.channels;
            const int64_t ky = y.taps[static_cast<size_t>(tap / x_taps)].number;
            return channel * channel_size + ky * c_.x.kernel + x.taps[static_cast<size_t>(tap % x_taps)].number;
        };
        product.pack(
            panel, weight + group * c_.channels * channel_size + product.panel(panel).column * c_.taps(), c_.taps(),
            number, 1, [](float w) { return w; }, to + packed_at(group, y, x));
    }

    Convolution c_;
    std::vector<Phase> y_, x_;
    std::vector<PanelProduct> products_;  // by number of taps
    int64_t most_taps_ = 0, all_x_taps_ = 0, all_taps_ = 0;
    ProductBlocks blocks_;
    ConvolutionEpilogue epilogue_;
    int64_t slots_;
    Floats zeros_;                          // a pixel
    std::shared_ptr<const Floats> packed_;  // a weight that is in the file
};

}  // namespace

std::unique_ptr<Kernel> prepare_transposed(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<TransposedConvolution>(preparation, convolution);
}

}  // namespace dsf
