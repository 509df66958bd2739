// transpose: axis i of y is axis perm[i] of x.
#include "operators/copy.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const std::vector<int64_t> perm = node.integers("perm");
    std::vector<bool> seen(static_cast<size_t>(x.rank));
    std::vector<int64_t> dims;
    bool legal = perm.size() == seen.size();
    for (size_t i = 0; legal && i < perm.size(); ++i) {
        legal = perm[i] >= 0 && perm[i] < x.rank && !seen[static_cast<size_t>(perm[i])];
        if (!legal) break;
        seen[static_cast<size_t>(perm[i])] = true;
        dims.push_back(x[static_cast<int>(perm[i])]);
    }
    if (!legal) node.refuse("perm is no permutation of the input's axes", "each of 0 to rank - 1 once");
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const TensorType& x = *preparation.inputs[0];
    const std::vector<int64_t> perm = preparation.attributes().integers("perm");
    const auto from = row_major_strides(x.shape), to = row_major_strides(preparation.outputs[0].shape);
    StridedCopy copy;
    copy.element = size_of(x.dtype);
    for (size_t axis = 0; axis < perm.size(); ++axis)
        copy.add(preparation.outputs[0].shape.dims[axis], from[static_cast<size_t>(perm[axis])], to[axis]);
    return copy_kernel(copy);
}

bool each_image(const Inference&, const BatchAxes&) { return true; }

}  // namespace

namespace ops {
extern const Op transpose;
constexpr Op transpose = OpRule("transpose").shapes(shapes).every_dtype(prepare).moves().each_image(each_image);
}  // namespace ops

}  // namespace dsf
