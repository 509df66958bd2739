// squeeze: x without the given axes of dimension 1.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const TensorType& x = node.input(0);
    std::vector<int64_t> dims = dims_of(x.shape);
    const std::vector<int> axes = node.axes("axes", x.shape.rank);
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
        if (x.shape[*axis] != 1)
            node.refuse("axis " + std::to_string(*axis) + " of " + x.shape.text() + " is not 1", "axes of dimension 1");
        dims.erase(dims.begin() + *axis);
    }
    return {{x.dtype, output_shape(node, dims)}};
}

}  // namespace

namespace ops {
extern const Op squeeze;
const Op squeeze = {"squeeze", infer, prepare_view, false, false, true};
}  // namespace ops

}  // namespace dsf
