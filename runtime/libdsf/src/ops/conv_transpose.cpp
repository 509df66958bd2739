// conv_transpose: the gradient of conv with respect to its input.
//
// It is a convolution of stride 1 over x with stride - 1 zeros between its pixels, with the kernel flipped:
//
//   pads before, after      kernel extent - 1 - pad; negative where a pad is larger: the image is cropped
//   output                  (input - 1) * stride + output_padding + extent - pad before - pad after
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
    const auto extra = spatial(node, "output_padding", axes, 0, 0, MAX_DIM);
    const int64_t group = node.integer("group", 1);
    if (group < 1 || group > x[1] || x[1] % group != 0 || w[0] != x[1])
        node.refuse("w has shape " + w.text() + " for an input of " + x.text() + " in " + std::to_string(group) +
                        " groups",
                    "[channels, filters / groups, ...], with channels divisible by the groups");
    Convolution c;
    c.images = x[0];
    c.groups = group;
    c.channels = w[0] / group;
    c.filters = w[1];
    c.transposed = true;
    for (size_t i = 0; i < axes; ++i) {
        Span& span = i + 1 == axes ? c.x : c.y;
        if (extra[i] >= std::max(strides[i], dilations[i]))
            node.refuse("output_padding has the entry " + std::to_string(extra[i]),
                        "less than the stride or the dilation");
        span.input = x.dims[i + 2];
        span.kernel = w.dims[i + 2];
        span.dilation = dilations[i];
        span.expand = strides[i];
        const int64_t extent = (span.kernel - 1) * span.dilation + 1;
        span.before = extent - 1 - pads[i];
        span.output = (span.input - 1) * strides[i] + extra[i] + extent - pads[i] - pads[axes + i];
    }
    return c;
}

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 3, 4);
    const Shape& x = node.input(0).shape;
    node.expect_rank(1, x.rank, x.rank);
    const Convolution c = read(node);
    const int64_t filters = c.filters * c.groups;
    std::vector<int64_t> dims{x[0], filters};
    if (x.rank == 4) dims.push_back(c.y.output);
    dims.push_back(c.x.output);
    const Shape y = output_shape(node, dims);
    check_image(node, c);
    if (node.has(2)) expect_shape(node, 2, node.shape({filters}), "b");
    return {y};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_convolution(preparation, read(preparation.attributes()));
}

ChannelsLast channels_last(const Preparation&) { return ChannelsLast::prefers; }

uint64_t work(const Inference& node, const Shape&) { return multiplications(read(node)); }

}  // namespace

namespace ops {
extern const Op conv_transpose;
constexpr Op conv_transpose = OpRule("conv_transpose")
                                  .inputs(2, 3)
                                  .shapes(shapes)
                                  .float32(prepare)
                                  .channels_last(channels_last)
                                  .each_image(by_images)
                                  .work(work)
                                  .takes(bounds);
}  // namespace ops

}  // namespace dsf
