// layer_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from axis on.
#include "operators/layer_normalization.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", -1, x.rank);
    node.real("epsilon", 1e-5f);
    const std::vector<int64_t> dims = dims_of(x);
    const Shape normalized = node.shape(std::vector<int64_t>(dims.begin() + axis, dims.end()));
    expect_shape(node, 1, normalized, "scale");
    if (node.has(2)) expect_shape(node, 2, normalized, "bias");
    return {x};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    const int axis = attributes.axis("axis", -1, preparation.inputs[0]->shape.rank);
    const int bias = attributes.has(2) ? 2 : -1;
    return layer_normalization_kernel(axis, attributes.real("epsilon", 1e-5f), bias);
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    return batch[0] >= 0 && batch[0] < node.axis("axis", -1, node.input(0).shape.rank) && batch[1] < 0 &&
           (!node.has(2) || batch[2] < 0);
}

}  // namespace

namespace ops {
extern const Op layer_normalization;
constexpr Op layer_normalization =
    OpRule("layer_normalization").inputs(2, 3).shapes(shapes).float32(prepare).in_place().each_image(each_image);
}  // namespace ops

}  // namespace dsf
