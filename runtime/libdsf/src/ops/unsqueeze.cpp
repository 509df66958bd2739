// unsqueeze: x with axes of dimension 1 put in; axes are positions in the output.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const TensorType& x = node.input(0);
    const int64_t rank = x.shape.rank + static_cast<int64_t>(node.integers("axes").size());
    if (rank > MAX_RANK)
        node.refuse("the output has rank " + std::to_string(rank), "at most " + std::to_string(MAX_RANK));
    std::vector<int64_t> dims = dims_of(x.shape);
    for (int axis : node.axes("axes", static_cast<int>(rank))) dims.insert(dims.begin() + axis, 1);
    return {{x.dtype, output_shape(node, dims)}};
}

}  // namespace

namespace ops {
extern const Op unsqueeze;
const Op unsqueeze = {"unsqueeze", infer, prepare_view, false, false, true};
}  // namespace ops

}  // namespace dsf
