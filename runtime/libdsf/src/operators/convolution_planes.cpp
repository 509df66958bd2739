// Depthwise convolutions of images whose channels are stored first, with stride 1: some rows of a plane are padded into
// the first cache, and its channel's filter goes over them. Sums are made as in convolution_depthwise.cpp.
#include "kernels/isa.h"
#include "convolution.h"

namespace dsf {
namespace {

// Measured by tools/bench/tune.py convolutions.
constexpr int64_t ROWS = 32;            // of an output that are padded for at a time
constexpr int64_t PLANE_FLOATS = 4096;  // of a task: some small planes, or one

class DepthwisePlanes final : public Kernel {
public:
    DepthwisePlanes(const Preparation& preparation, const Convolution& c)
        : c_(c),
          pixels_(c.y.output * c.x.output),
          rows_(std::min(ROWS, c.y.output)),
          pitch_(padded_pitch(c.x.image())),
          together_(std::max<int64_t>(1, PLANE_FLOATS / pixels_)),
          epilogue_(preparation),
          slots_(preparation.threads) {}
    const char* name() const override { return kernel_.name; }
    size_t scratch_bytes() const override { return static_cast<size_t>(slots_ * slot_floats()) * sizeof(float); }

    void run(const Run& run) const override {
        const int64_t planes = c_.images * c_.groups, parts = divide_up(c_.y.output, rows_);
        for_slots(run.threads, slots_, divide_up(planes, together_) * parts, [&](int64_t slot, int64_t item) {
            const int64_t first = item / parts * together_, last = std::min(planes, first + together_);
            const int64_t y = item % parts * rows_, rows = std::min(rows_, c_.y.output - y);
            float* const padded = static_cast<float*>(run.scratch) + slot * slot_floats();
            for (int64_t plane = first; plane < last; ++plane) compute(run, plane, y, rows, padded);
        });
    }

private:
    int64_t slot_floats() const { return (rows_ + c_.y.kernel - 1) * pitch_; }

    void compute(const Run& run, int64_t plane, int64_t y, int64_t rows, float* padded) const {
        pad(run.inputs[0].as<const float>() + plane * c_.y.input * c_.x.input, y - c_.y.before, rows + c_.y.kernel - 1,
            padded);
        const int64_t channel = plane % c_.groups;
        const PanelOutput output = epilogue_.at(run, pixels_, plane, 0);
        DepthwisePlane p{};
        p.padded = padded;
        p.pitch = pitch_;
        p.kernel = static_cast<int>(c_.y.kernel);
        p.weight = run.inputs[1].as<const float>() + channel * c_.y.kernel * c_.x.kernel;
        p.bias = output.bias ? output.bias[channel] : 0.0f;
        p.residual = output.residual ? output.residual + y * c_.x.output : nullptr;
        p.activation = output.activation;
        p.y = output.y + y * c_.x.output;
        p.rows = rows;
        p.width = c_.x.output;
        kernel_.plane(p);
    }

    // Rows [first, first + rows) of a plane, which may begin before it and end after it.
    void pad(const float* plane, int64_t first, int64_t rows, float* padded) const {
        const int64_t begin = std::clamp<int64_t>(-first, 0, rows);
        const int64_t end = std::clamp<int64_t>(c_.y.input - first, begin, rows);
        std::fill(padded, padded + begin * pitch_, 0.0f);
        std::fill(padded + end * pitch_, padded + rows * pitch_, 0.0f);
        if (begin == end) return;
        kernel_.pad({plane + (first + begin) * c_.x.input, end - begin, c_.x.input, c_.x.before, c_.x.image(),
                     padded + begin * pitch_});
    }

    const DepthwiseF32& kernel_ = *isa().depthwise;
    Convolution c_;
    int64_t pixels_, rows_, pitch_, together_;
    ConvolutionEpilogue epilogue_;
    int64_t slots_;
};

}  // namespace

bool planes_fit(const Convolution& c) {
    const bool alone = c.channels == 1 && c.filters == 1 && c.groups > 1 && !c.transposed;
    const bool square = c.y.kernel == c.x.kernel && (c.x.kernel == 3 || c.x.kernel == 5);
    return alone && square && c.y.stride == 1 && c.x.stride == 1 && c.y.dilation == 1 && c.x.dilation == 1;
}

std::unique_ptr<Kernel> prepare_planes(const Preparation& preparation, const Convolution& convolution) {
    return std::make_unique<DepthwisePlanes>(preparation, convolution);
}

}  // namespace dsf
