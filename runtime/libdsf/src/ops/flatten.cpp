// flatten: x as a matrix: the dimensions before axis, and the others.
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int64_t axis = node.integer("axis", 1);
    if (axis < -x.rank || axis > x.rank)
        node.refuse("axis is " + std::to_string(axis), "within the rank " + std::to_string(x.rank));
    const int split = static_cast<int>(axis < 0 ? axis + x.rank : axis);
    return {output_shape(node, {product(x, 0, split), product(x, split, x.rank)})};
}

}  // namespace

namespace ops {
extern const Op flatten;
constexpr Op flatten = OpRule("flatten").shapes(shapes).every_dtype(prepare_view).view();
}  // namespace ops

}  // namespace dsf
