// The depthwise way: each channel has a filter of its own, and vectors hold channels.
//
// An output row is cut where its taps begin and cease to lie inside the image; in the middle every tap walks through
// memory evenly, at the borders pixels are computed one by one. Taps outside read zeros.
#include "kernels/isa.h"
#include "convolution.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py convolutions.
constexpr int64_t CHANNELS = 256;  // of a task

class DepthwiseConvolution final : public Kernel {
public:
    DepthwiseConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          y_(phases_of(c.y, c.tap_order())),
          x_(phases_of(c.x, c.tap_order())),
          taps_(c.taps()),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(zero_floats()) {
        std::fill(zeros_.data(), zeros_.data() + zero_floats(), 0.0f);
        if (!preparation.weight(1)) return;
        const PreparedKey key{
            index_of(preparation, *preparation.weight(1)), Packing::taps, nullptr, {}, taps_in_order()};
        weight_ = preparation.model.prepared.get<Floats>(key, floats_bytes(c_.groups * taps_), [&] {
            auto ordered = std::make_shared<Floats>(c_.groups * taps_);
            for_filters(preparation, 0, c_.groups, c_.groups, taps_,
                        [&](int64_t, const float* w) { order(w, ordered->data()); });
            return ordered;
        });
    }
    const char* name() const override { return kernel_.name; }
    bool reads_weight(int input) const override { return input != 1 || !weight_; }
    size_t table_bytes() const override {
        return static_cast<size_t>(floats_bytes(zero_floats())) + dsf::table_bytes(y_) + dsf::table_bytes(x_);
    }
    size_t scratch_bytes() const override {
        return static_cast<size_t>(computed_floats()) * sizeof(float) +
               static_cast<size_t>(slots_ * round_up(taps_, 8)) * sizeof(float*);
    }

    void run(const Run& run) const override {
        fill_gaps(run, c_, y_, x_, epilogue_);
        float* const computed = static_cast<float*>(run.scratch);
        if (!weight_) order(run.inputs[1].as<const float>(), computed);
        const float* const weight = weight_ ? weight_->data() : computed;
        const float** const taps = reinterpret_cast<const float**>(computed + computed_floats());
        const int64_t parts = divide_up(c_.groups, CHANNELS);
        for_slots(run.threads, slots_, c_.images * c_.y.output * parts, [&](int64_t slot, int64_t item) {
            const int64_t row = item / parts, channel = item % parts * CHANNELS;
            compute_row(run, weight, row / c_.y.output, row % c_.y.output, channel,
                        std::min(CHANNELS, c_.groups - channel), taps + slot * round_up(taps_, 8));
        });
    }

private:
    // A tap above or below the image reads as many zeros as it would read pixels: no more than a line of it has.
    int64_t zero_floats() const {
        const int64_t outputs = std::min(divide_up(c_.x.output, c_.x.expand), (c_.x.input - 1) / c_.x.stride + 1);
        return ((outputs - 1) * c_.x.stride + 1) * c_.groups;
    }
    int64_t computed_floats() const { return weight_ ? 0 : round_up(c_.groups * taps_, 16); }

    // Taps as they are numbered in the kernel, phase by phase.
    std::vector<int32_t> taps_in_order() const {
        std::vector<int32_t> numbers;
        for_taps(y_, x_, [&](const Tap& ky, const Tap& kx) {
            numbers.push_back(static_cast<int32_t>(ky.number * c_.x.kernel + kx.number));
        });
        return numbers;
    }

    // From [channel][tap] to [phase][tap][channel].
    void order(const float* weight, float* to) const {
        for_taps(y_, x_, [&](const Tap& ky, const Tap& kx) {
            for (int64_t channel = 0; channel < c_.groups; ++channel)
                *to++ = weight[channel * taps_ + ky.number * c_.x.kernel + kx.number];
        });
    }

    void compute_row(const Run& run, const float* weight, int64_t image, int64_t oy, int64_t channel, int64_t channels,
                     const float** taps) const {
        const Phase* y = phase_at(y_, oy % c_.y.expand);
        if (!y) return;
        const int64_t all_x_taps = x_.empty() ? 0 : x_.back().taps_before + static_cast<int64_t>(x_.back().taps.size());
        const float* in_image = run.inputs[0].as<const float>() + image * c_.y.input * c_.x.input * c_.groups + channel;
        const PanelOutput output = epilogue_.at(run, c_.groups, (image * c_.y.output + oy) * c_.x.output, channel);
        DepthwisePixels pixels{};
        pixels.taps = taps;
        pixels.step = c_.x.stride * c_.groups;
        pixels.channels = channels;
        pixels.stride = c_.x.expand * c_.groups;
        pixels.weight_stride = c_.groups;
        pixels.bias = output.bias;
        pixels.activation = output.activation;
        for (const Phase& x : x_) {
            const int64_t before = y->taps_before * all_x_taps + static_cast<int64_t>(y->taps.size()) * x.taps_before;
            pixels.tap_count = static_cast<int>(y->taps.size() * x.taps.size());
            pixels.weight = weight + before * c_.groups + channel;
            const int64_t most = std::max<int64_t>(1, LONG_TASK / (pixels.tap_count * channels));
            for (int64_t i = 0; i < x.count && !run.threads.cancelled(); i += pixels.count) {
                pixels.count = std::min(most, whole_pixels(x, i));
                find_taps(*y, x, in_image, oy / c_.y.expand, i, taps);
                const int64_t at = (x.first + i * c_.x.expand) * c_.groups;
                pixels.y = output.y + at;
                pixels.residual = output.residual ? output.residual + at : nullptr;
                kernel_.pixels(pixels);
            }
        }
    }

    // How many of a phase's pixels from i on have all their taps inside the image's width; 1 where not even i has.
    int64_t whole_pixels(const Phase& x, int64_t i) const {
        const int64_t first = i * c_.x.stride + x.taps.front().offset, last = i * c_.x.stride + x.taps.back().offset;
        if (first < 0 || last >= c_.x.input) return 1;
        return std::min(x.count - i, (c_.x.input - 1 - last) / c_.x.stride + 1);
    }

    void find_taps(const Phase& y, const Phase& x, const float* image, int64_t oy, int64_t ox,
                   const float** taps) const {
        for (const Tap& ky : y.taps) {
            const int64_t iy = oy * c_.y.stride + ky.offset;
            for (const Tap& kx : x.taps) {
                const int64_t ix = ox * c_.x.stride + kx.offset;
                const bool inside = iy >= 0 && iy < c_.y.input && ix >= 0 && ix < c_.x.input;
                *taps++ = inside ? image + (iy * c_.x.input + ix) * c_.groups : zeros_.data();
            }
        }
    }

    const DepthwiseF32& kernel_ = *isa().depthwise;
    Convolution c_;
    std::vector<Phase> y_, x_;
    int64_t taps_;
    ConvolutionEpilogue epilogue_;
    int64_t slots_;
    Floats zeros_;
    std::shared_ptr<const Floats> weight_;  // [phase][tap][channel]; null: it is computed
};

}  // namespace

std::unique_ptr<Kernel> prepare_depthwise(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<DepthwiseConvolution>(preparation, convolution);
}

}  // namespace dsf
