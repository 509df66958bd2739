// flatten: x as a matrix: the dimensions before axis, and the others.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const TensorType& x = node.input(0);
    const int64_t axis = node.integer("axis", 1);
    if (axis < -x.shape.rank || axis > x.shape.rank)
        node.refuse("axis is " + std::to_string(axis), "within the rank " + std::to_string(x.shape.rank));
    const int split = static_cast<int>(axis < 0 ? axis + x.shape.rank : axis);
    return {{x.dtype, output_shape(node, {product(x.shape, 0, split), product(x.shape, split, x.shape.rank)})}};
}

}  // namespace

namespace ops {
extern const Op flatten;
const Op flatten = {"flatten", infer, prepare_view, false, false, true};
}  // namespace ops

}  // namespace dsf
