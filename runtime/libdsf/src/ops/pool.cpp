// What max_pool and average_pool share: windows over the last one or two axes.
#include "pool.h"

#include "rules.h"

namespace dsf {
namespace {

Windows windows(const Inference& node, Pooling pooling) {
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

}  // namespace

std::vector<Shape> shapes_of_pool(const Inference& node, Pooling pooling) {
    const Windows w = windows(node, pooling);
    std::vector<int64_t> dims = dims_of(node.input(0).shape);
    if (dims.size() == 4) dims[2] = w.y.output;
    dims.back() = w.x.output;
    return {output_shape(node, dims)};
}

// A window's numbers are four multiplications each: they are not read as a product's are.
uint64_t work_of_pool(const Inference& node, const Shape& y) {
    const Windows w = windows(node, Pooling::max);
    const int64_t taps = std::min(w.y.size, w.y.input) * std::min(w.x.size, w.x.input);
    return static_cast<uint64_t>(y.elements()) * static_cast<uint64_t>(taps) * 4;
}

std::unique_ptr<Kernel> prepare_pool(const Preparation& preparation, Pooling pooling) {
    const Inference node = preparation.attributes();
    const bool counted = pooling == Pooling::average && flag(node, "count_include_pad", false);
    const Padding padding = counted ? Padding::counted : Padding::left_out;
    if (preparation.channels_last) return pool_last_kernel(windows(node, pooling), pooling, padding);
    return pool_kernel(windows(node, pooling), pooling, padding, preparation.threads);
}

}  // namespace dsf
