// squeeze: x without the given axes of dimension 1.
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    std::vector<int64_t> dims = dims_of(x);
    const std::vector<int> axes = node.axes("axes", x.rank);
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
        if (x[*axis] != 1)
            node.refuse("axis " + std::to_string(*axis) + " of " + x.text() + " is not 1", "axes of dimension 1");
        dims.erase(dims.begin() + *axis);
    }
    return {output_shape(node, dims)};
}

}  // namespace

namespace ops {
extern const Op squeeze;
constexpr Op squeeze = OpRule("squeeze").shapes(shapes).every_dtype(prepare_view).view();
}  // namespace ops

}  // namespace dsf
