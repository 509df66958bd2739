// arg_max: where the largest element along axis is; NaN counts as the largest. Of equals the first, or the last.
#include "operators/arg_max.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const size_t axis = static_cast<size_t>(node.axis("axis", 0, x.rank));
    flag(node, "select_last_index", false);
    std::vector<int64_t> dims = dims_of(x);
    if (flag(node, "keepdims", true)) dims[axis] = 1;
    else dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    return {output_shape(node, dims)};
}

TensorType type(const Inference&, int, const Shape& shape) { return {Dtype::int64, shape}; }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference node = preparation.attributes();
    const Ties ties = flag(node, "select_last_index", false) ? Ties::last : Ties::first;
    return arg_max_kernel(node.axis("axis", 0, preparation.inputs[0]->shape.rank), ties);
}

}  // namespace

namespace ops {
extern const Op arg_max;
constexpr Op arg_max = OpRule("arg_max").shapes(shapes).every_dtype(prepare).type(type).each_image(beside_axis<0>);
}  // namespace ops

}  // namespace dsf
