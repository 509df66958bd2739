// The depthwise way: each channel has a filter of its own, and vectors hold channels.
//
// An output row is cut where its taps begin and cease to lie inside the image; in the middle every tap walks through
// memory evenly, at the borders pixels are computed one by one. Taps outside read zeros.
#include "kernels/isa.h"
#include "convolution_last.h"

namespace dsf {
namespace {

constexpr int64_t CHANNELS = 256;  // of a task

class DepthwiseConvolution final : public Kernel {
public:
    DepthwiseConvolution(const Preparation& preparation, const Convolution& c)
        : c_(c),
          taps_(c.y.kernel * c.x.kernel),
          epilogue_(preparation),
          slots_(preparation.threads),
          zeros_(zero_floats()) {
        std::fill(zeros_.data(), zeros_.data() + zero_floats(), 0.0f);
        const PreparedKey key{index_of(preparation, *preparation.weight(1)), Packing::taps, nullptr, {}, {}};
        weight_ = preparation.model.prepared.get<Floats>(key, floats_bytes(c_.groups * taps_), [&] {
            auto packed = std::make_shared<Floats>(c_.groups * taps_);
            for_filters(preparation, 0, c_.groups, c_.groups, taps_, [&](int64_t, const float* w) {
                for (int64_t channel = 0; channel < c_.groups; ++channel)
                    for (int64_t tap = 0; tap < taps_; ++tap)
                        packed->data()[tap * c_.groups + channel] = w[channel * taps_ + tap];
            });
            return packed;
        });
    }
    const char* name() const override { return kernel_.name; }
    bool reads_weight(int input) const override { return input != 1; }
    size_t table_bytes() const override { return static_cast<size_t>(floats_bytes(zero_floats())); }
    size_t scratch_bytes() const override { return static_cast<size_t>(slots_ * round_up(taps_, 8)) * sizeof(float*); }

    void run(const Run& run) const override {
        const int64_t parts = divide_up(c_.groups, CHANNELS);
        for_slots(run.threads, slots_, c_.images * c_.y.output * parts, [&](int64_t slot, int64_t item) {
            const int64_t row = item / parts, channel = item % parts * CHANNELS;
            compute_row(run, row / c_.y.output, row % c_.y.output, channel, std::min(CHANNELS, c_.groups - channel),
                        static_cast<const float**>(run.scratch) + slot * round_up(taps_, 8));
        });
    }

private:
    // A tap outside the image reads as many zeros as it would read pixels.
    int64_t zero_floats() const { return ((c_.x.output - 1) * c_.x.stride + 1) * c_.groups; }

    void compute_row(const Run& run, int64_t image, int64_t oy, int64_t channel, int64_t channels,
                     const float** taps) const {
        const float* x = run.inputs[0].as<const float>() + image * c_.y.input * c_.x.input * c_.groups + channel;
        const PanelOutput output = epilogue_.at(run, c_.groups, (image * c_.y.output + oy) * c_.x.output, channel);
        DepthwisePixels pixels{};
        pixels.taps = taps;
        pixels.tap_count = static_cast<int>(taps_);
        pixels.step = c_.x.stride * c_.groups;
        pixels.channels = channels;
        pixels.stride = c_.groups;
        pixels.weight = weight_->data() + channel;
        pixels.bias = output.bias;
        pixels.activation = output.activation;
        const int64_t most = std::max<int64_t>(1, LONG_TASK / (taps_ * channels));
        for (int64_t ox = 0; ox < c_.x.output && !run.threads.cancelled(); ox += pixels.count) {
            pixels.count = std::min(most, whole_pixels(ox));
            find_taps(x, oy, ox, taps);
            pixels.y = output.y + ox * c_.groups;
            pixels.residual = output.residual ? output.residual + ox * c_.groups : nullptr;
            kernel_.pixels(pixels);
        }
    }

    // How many pixels from ox on have all their taps inside the image's width; 1 where not even ox has.
    int64_t whole_pixels(int64_t ox) const {
        const int64_t first = ox * c_.x.stride - c_.x.before, last = first + (c_.x.kernel - 1) * c_.x.dilation;
        if (first < 0 || last >= c_.x.input) return 1;
        return std::min(c_.x.output - ox, (c_.x.input - 1 - last) / c_.x.stride + 1);
    }

    void find_taps(const float* x, int64_t oy, int64_t ox, const float** taps) const {
        for (int64_t ky = 0; ky < c_.y.kernel; ++ky) {
            const int64_t iy = oy * c_.y.stride + ky * c_.y.dilation - c_.y.before;
            for (int64_t kx = 0; kx < c_.x.kernel; ++kx) {
                const int64_t ix = ox * c_.x.stride + kx * c_.x.dilation - c_.x.before;
                const bool inside = iy >= 0 && iy < c_.y.input && ix >= 0 && ix < c_.x.input;
                *taps++ = inside ? x + (iy * c_.x.input + ix) * c_.groups : zeros_.data();
            }
        }
    }

    const DepthwiseF32& kernel_ = *isa().depthwise;
    Convolution c_;
    int64_t taps_;
    LastEpilogue epilogue_;
    int64_t slots_;
    Floats zeros_;
    std::shared_ptr<const Floats> weight_;  // [taps][channels]
};

}  // namespace

std::unique_ptr<Kernel> prepare_depthwise(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<DepthwiseConvolution>(preparation, convolution);
}

}  // namespace dsf
