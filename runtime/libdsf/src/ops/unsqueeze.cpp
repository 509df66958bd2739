// unsqueeze: x with axes of dimension 1 put in; axes are positions in the output.
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int64_t rank = x.rank + static_cast<int64_t>(node.integers("axes").size());
    if (rank > MAX_RANK)
        node.refuse("the output has rank " + std::to_string(rank), "at most " + std::to_string(MAX_RANK));
    std::vector<int64_t> dims = dims_of(x);
    for (int axis : node.axes("axes", static_cast<int>(rank))) dims.insert(dims.begin() + axis, 1);
    return {output_shape(node, dims)};
}

}  // namespace

namespace ops {
extern const Op unsqueeze;
constexpr Op unsqueeze = OpRule("unsqueeze").shapes(shapes).every_dtype(prepare_view).view();
}  // namespace ops

}  // namespace dsf
