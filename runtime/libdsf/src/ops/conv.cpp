// conv: y = w * x + b, a convolution in one or two spatial axes, in groups.
#include "convolution.h"
#include "op_rule.h"

namespace dsf {
namespace {

Convolution read(const Inference& node) {
    const Shape &x = node.input(0).shape, &w = node.input(1).shape;
    const size_t axes = static_cast<size_t>(x.rank) - 2;
    const auto strides = spatial(node, "strides", axes, 1, 1, MAX_DIM);
    const auto dilations = spatial(node, "dilations", axes, 1, 1, MAX_DIM);
    const auto pads = spatial(node, "pads", 2 * axes, 0, 0, MAX_DIM);
    const int64_t group = node.integer("group", 1);
    if (group < 1 || group > x[1] || x[1] % group != 0 || w[0] % group != 0 || w[1] != x[1] / group)
        node.refuse("w has shape " + w.text() + " for an input of " + x.text() + " in " + std::to_string(group) +
                        " groups",
                    "[filters, channels / groups, ...], both divisible by the groups");
    Convolution c;
    c.images = x[0];
    c.groups = group;
    c.channels = w[1];
    c.filters = w[0] / group;
    for (size_t i = 0; i < axes; ++i) {
        Span& span = i + 1 == axes ? c.x : c.y;
        span.input = x.dims[i + 2];
        span.kernel = w.dims[i + 2];
        span.stride = strides[i];
        span.dilation = dilations[i];
        span.before = pads[i];
        const int64_t room = span.input + pads[i] + pads[axes + i] - ((span.kernel - 1) * span.dilation + 1);
        if (room < 0)
            node.refuse("a kernel of " + std::to_string((span.kernel - 1) * span.dilation + 1) + " on " +
                            std::to_string(span.input) + " pixels and " + std::to_string(pads[i] + pads[axes + i]) +
                            " of padding",
                        "a kernel that fits");
        span.output = room / span.stride + 1;
    }
    return c;
}

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 3, 4);
    const Shape &x = node.input(0).shape, &w = node.input(1).shape;
    node.expect_rank(1, x.rank, x.rank);
    const Convolution c = read(node);
    std::vector<int64_t> dims{x[0], w[0]};
    if (x.rank == 4) dims.push_back(c.y.output);
    dims.push_back(c.x.output);
    const Shape y = output_shape(node, dims);
    check_image(node, c);
    if (node.has(2)) expect_shape(node, 2, node.shape({w[0]}), "b");
    return {y};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_convolution(preparation, read(preparation.attributes()));
}

ChannelsLast channels_last(const Preparation& preparation) {
    return lays_out_input(read(preparation.attributes())) ? ChannelsLast::lays_out : ChannelsLast::prefers;
}

bool fits_onnx_order(const Preparation& preparation) {
    return fits_channels_first(preparation, read(preparation.attributes()));
}

// All ways have every activation.
bool takes(const Inference&, const Epilogue&) { return true; }

uint64_t work(const Inference& node, const Shape& y) {
    const Shape& w = node.input(1).shape;
    return static_cast<uint64_t>(y.elements()) * static_cast<uint64_t>(w.elements() / w[0]);
}

}  // namespace

namespace ops {
extern const Op conv;
constexpr Op conv = OpRule("conv")
                        .inputs(2, 3)
                        .shapes(shapes)
                        .float32(prepare)
                        .channels_last(channels_last)
                        .each_image(by_images)
                        .fits_onnx_order(fits_onnx_order)
                        .work(work)
                        .takes(takes);
}  // namespace ops

}  // namespace dsf
