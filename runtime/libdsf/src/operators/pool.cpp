// Pooling. A window is reduced in two steps, so that most of the work is on whole rows:
//
//   row[x]  = reduce over the window's rows of x[..][x]      vectorised over the row
//   y[o]    = reduce over the window's columns of row[..]
#include "pool.h"

#include <cstring>
#include <limits>

#include "parallel.h"
#include "ops/rules.h"

namespace dsf {
namespace {

Windows windows(const Inference& node, Pooling pooling) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    node.expect_float(0);
    node.expect_rank(0, 3, 4);
    const Shape& shape = node.input(0).shape;
    const size_t axes = static_cast<size_t>(shape.rank) - 2;
    node.integers("kernel_shape");  // required
    const auto sizes = spatial(node, "kernel_shape", axes, 1, 1, MAX_DIM);
    const auto strides = spatial(node, "strides", axes, 1, 1, MAX_DIM);
    const auto dilations = spatial(node, "dilations", axes, 1, 1, MAX_DIM);
    const auto pads = spatial(node, "pads", 2 * axes, 0, 0, MAX_DIM);
    const bool ceil = flag(node, "ceil_mode", false);
    if (pooling == Pooling::average) flag(node, "count_include_pad", false);

    Window both[2];
    for (size_t i = 0; i < axes; ++i) {
        Window& w = both[2 - axes + i];
        w.input = shape.dims[i + 2];
        w.size = sizes[i];
        w.stride = strides[i];
        w.dilation = dilations[i];
        w.before = pads[i];
        w.after = pads[axes + i];
        if (w.before >= w.size || w.after >= w.size)
            node.refuse("pads has the entry " + std::to_string(std::max(w.before, w.after)),
                        "less than the kernel's " + std::to_string(w.size));
        const int64_t room = w.input + w.before + w.after - w.extent();
        if (room < 0)
            node.refuse("a window of " + std::to_string(w.extent()) + " on " + std::to_string(w.input) +
                            " elements and " + std::to_string(w.before + w.after) + " of padding",
                        "a window that fits");
        w.output = room / w.stride + 1;
        // A window more where ceil_mode asks for it, unless it would start in the padding behind.
        if (ceil && room % w.stride != 0 && w.output * w.stride < w.input + w.before) ++w.output;
    }
    return {both[0], both[1]};
}

class PoolKernel final : public Kernel {
public:
    PoolKernel(const Windows& windows, Pooling pooling, bool count_padding, int slots)
        : windows_(windows), pooling_(pooling), count_padding_(count_padding), slots_(slots) {}
    const char* name() const override { return pooling_ == Pooling::max ? "max_pool" : "average_pool"; }

    size_t scratch_bytes() const override { return static_cast<size_t>(slots_ * windows_.x.input) * sizeof(float); }

    void run(const Run& run) const override {
        const Window &y = windows_.y, &x = windows_.x;
        const Shape& shape = run.outputs[0].shape();
        for_slots(run.threads, slots_, shape[0] * shape[1], [&](int64_t slot, int64_t plane) {
            const float* from = run.inputs[0].as<const float>() + plane * y.input * x.input;
            float* to = run.outputs[0].as<float>() + plane * y.output * x.output;
            float* row = static_cast<float*>(run.scratch) + slot * x.input;
            // Some columns of a row at a time, for a window may be as wide as the row is long.
            const int64_t columns = std::max<int64_t>(1, GRAIN / std::min(x.size, x.input));
            for (int64_t o = 0; o < y.output; ++o) {
                if (run.threads.cancelled()) return;
                reduce_rows(from, row, o);
                for (int64_t first = 0; first < x.output && !run.threads.cancelled(); first += columns)
                    reduce_columns(row, to + o * x.output, o, first, std::min(x.output, first + columns));
            }
        });
    }

private:
    void reduce_rows(const float* from, float* row, int64_t o) const {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t first = y.first(o), last = y.last(o);
        if (first >= last) {
            std::fill(row, row + x.input, pooling_ == Pooling::max ? -std::numeric_limits<float>::infinity() : 0.0f);
            return;
        }
        const float* next = from + (y.start(o) + first * y.dilation) * x.input;
        std::memcpy(row, next, static_cast<size_t>(x.input) * sizeof(float));
        for (int64_t tap = first + 1; tap < last; ++tap) {
            next += y.dilation * x.input;
            if (pooling_ == Pooling::max)
                for (int64_t i = 0; i < x.input; ++i) row[i] = larger(row[i], next[i]);
            else
                for (int64_t i = 0; i < x.input; ++i) row[i] += next[i];
        }
    }

    // Outputs [begin, end) of output row o_y.
    void reduce_columns(const float* row, float* to, int64_t o_y, int64_t begin, int64_t end) const {
        const Window &y = windows_.y, &x = windows_.x;
        const int64_t rows = count_padding_ ? y.padded_taps(o_y) : std::max<int64_t>(0, y.last(o_y) - y.first(o_y));
        for (int64_t o = begin; o < end; ++o) {
            const int64_t first = x.first(o), last = x.last(o);
            const float* from = row + x.start(o);
            if (pooling_ == Pooling::max) {
                float most = -std::numeric_limits<float>::infinity();
                for (int64_t tap = first; tap < last; ++tap) most = larger(most, from[tap * x.dilation]);
                to[o] = most;
                continue;
            }
            float sum = 0;
            for (int64_t tap = first; tap < last; ++tap) sum += from[tap * x.dilation];
            const int64_t taps = rows * (count_padding_ ? x.padded_taps(o) : std::max<int64_t>(0, last - first));
            to[o] = taps > 0 ? sum / static_cast<float>(taps) : 0.0f;
        }
    }

    static float larger(float most, float v) {
        most = v > most ? v : most;
        return v != v ? v : most;
    }

    Windows windows_;
    Pooling pooling_;
    bool count_padding_;
    int64_t slots_;
};

}  // namespace

std::vector<TensorType> infer_pool(const Inference& node, Pooling pooling) {
    const Windows w = windows(node, pooling);
    std::vector<int64_t> dims = dims_of(node.input(0).shape);
    if (dims.size() == 4) dims[2] = w.y.output;
    dims.back() = w.x.output;
    return {{Dtype::float32, output_shape(node, dims)}};
}

// A window's numbers are four multiplications each: they are not read as a product's are.
uint64_t work_of_pool(const Inference& node, const Shape& y) {
    const Windows w = windows(node, Pooling::max);
    const int64_t taps = std::min(w.y.size, w.y.input) * std::min(w.x.size, w.x.input);
    return static_cast<uint64_t>(y.elements()) * static_cast<uint64_t>(taps) * 4;
}

std::unique_ptr<Kernel> prepare_pool(const Preparation& preparation, Pooling pooling) {
    const Inference attributes = preparation.attributes();
    const bool count_padding = pooling == Pooling::average && flag(attributes, "count_include_pad", false);
    if (preparation.channels_last) return prepare_pool_last(windows(attributes, pooling), pooling, count_padding);
    return std::make_unique<PoolKernel>(windows(attributes, pooling), pooling, count_padding, preparation.threads);
}

}  // namespace dsf
