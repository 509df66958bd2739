// Pooling of images whose channels are stored last: a pixel at a time, vectors hold channels.
#include <limits>

#include "kernels/isa.h"
#include "parallel.h"
#include "pool.h"

namespace dsf {
namespace {

class PoolLastKernel final : public Kernel {
public:
    PoolLastKernel(const Windows& windows, Pooling pooling, Padding padding)
        : windows_(windows), pooling_(pooling), counts_padding_(padding == Padding::counted) {}
    const char* name() const override { return isa().pool->name; }

    void run(const Run& run) const override {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t channels = run.outputs[0].shape()[1], images = run.outputs[0].shape()[0];
        const float* from = run.inputs[0].as<const float>();
        float* to = run.outputs[0].as<float>();
        for_items(run.threads, images * y.output, x.output * channels * 2, [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                const float* image = from + row / y.output * y.input * x.input * channels;
                for (int64_t o = 0; o < x.output && !run.threads.cancelled(); ++o)
                    pixel(image, row % y.output, o, channels, to + (row * x.output + o) * channels);
            }
        });
    }

private:
    void pixel(const float* image, int64_t o_y, int64_t o_x, int64_t channels, float* to) const {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t rows = std::max<int64_t>(0, y.last(o_y) - y.first(o_y));
        const int64_t columns = std::max<int64_t>(0, x.last(o_x) - x.first(o_x));
        PoolPixel pixel{};
        pixel.from =
            image + ((y.start(o_y) + y.first(o_y) * y.dilation) * x.input + x.start(o_x) + x.first(o_x) * x.dilation) *
                        channels;
        pixel.rows = rows;
        pixel.columns = columns;
        pixel.row_stride = y.dilation * x.input * channels;
        pixel.column_stride = x.dilation * channels;
        pixel.channels = channels;
        pixel.y = to;
        if (pooling_ == Pooling::max) return isa().pool->max(pixel);
        const int64_t taps = counts_padding_ ? y.padded_taps(o_y) * x.padded_taps(o_x) : rows * columns;
        pixel.divisor = taps > 0 ? static_cast<float>(taps) : 1.0f;
        isa().pool->average(pixel);
    }

    Windows windows_;
    Pooling pooling_;
    bool counts_padding_;
};

}  // namespace

std::unique_ptr<Kernel> pool_last_kernel(const Windows& windows, Pooling pooling, Padding padding) {
    return std::make_unique<PoolLastKernel>(windows, pooling, padding);
}

}  // namespace dsf
