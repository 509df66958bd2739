// resize: nearest or linear interpolation of the spatial axes.
#include <cmath>

#include "operators/resize.h"
#include "op_rule.h"

namespace dsf {
namespace {

// In the order of Coordinates and Nearest.
const char* const TRANSFORMATIONS[] = {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"};
const char* const ROUNDINGS[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

// An attribute that is one of the names: which.
int one_of(const Inference& node, const char* attribute, const char* const (&names)[4], const char* expected) {
    const std::string text = node.text(attribute, names[0]);
    for (int i = 0; i < 4; ++i)
        if (text == names[i]) return i;
    node.refuse(std::string(attribute) + " is '" + text + "'", expected);
}

Resizing read(const Inference& node) {
    Resizing resizing;
    const std::string mode = node.text("mode", "nearest");
    if (mode != "nearest" && mode != "linear") node.refuse("mode is '" + mode + "'", "'nearest' or 'linear'");
    resizing.interpolation = mode == "linear" ? Interpolation::linear : Interpolation::nearest;
    resizing.coordinates =
        static_cast<Coordinates>(one_of(node, "coordinate_transformation_mode", TRANSFORMATIONS,
                                        "half_pixel, align_corners, asymmetric or pytorch_half_pixel"));
    resizing.nearest = static_cast<Nearest>(one_of(node, "nearest_mode", ROUNDINGS,
                                                   "round_prefer_floor, round_prefer_ceil, floor or ceil"));
    return resizing;
}

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 3, 4);
    const Shape& x = node.input(0).shape;
    const std::vector<int64_t> sizes = attribute_dimensions(node, "sizes");
    if (sizes.size() != static_cast<size_t>(x.rank) || sizes[0] != x[0] || sizes[1] != x[1])
        node.refuse("sizes is not the input's batch and channels and new spatial dimensions",
                    std::to_string(x.rank) + " entries, the first two as in " + x.text());
    const std::vector<float> scales = node.reals("scales");
    if (scales.size() != sizes.size()) node.refuse("scales differs in length from sizes", "one entry an axis");
    for (float scale : scales)
        if (!(scale > 0.0f) || !std::isfinite(scale))
            node.refuse("scales has the entry " + std::to_string(scale), "finite numbers above 0");
    if (scales[0] != 1.0f || scales[1] != 1.0f) node.refuse("scales changes the batch or the channels", "1.0 for both");
    read(node);
    return {output_shape(node, sizes)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference node = preparation.attributes();
    return resize_kernel(preparation.inputs[0]->shape, preparation.outputs[0].shape, node.reals("scales"), read(node));
}

}  // namespace

namespace ops {
extern const Op resize;
constexpr Op resize = OpRule("resize").shapes(shapes).float32(prepare).each_image(by_images);
}  // namespace ops

}  // namespace dsf
