// expand: x broadcast with shape; where shape has a 1, x keeps its dimension.
#include "operators/copy.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape shape = output_shape(node, attribute_dimensions(node, "shape"));
    return {broadcast_shape(node, node.input(0).shape, shape)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const TensorType& x = *preparation.inputs[0];
    const Shape& y = preparation.outputs[0].shape;
    const auto from = row_major_strides(x.shape), to = row_major_strides(y);
    StridedCopy copy;
    copy.element = size_of(x.dtype);
    for (int axis = 0; axis < y.rank; ++axis) {
        const int in_x = axis - (y.rank - x.shape.rank);
        const bool moves = in_x >= 0 && x.shape[in_x] != 1;
        copy.add(y[axis], moves ? from[static_cast<size_t>(in_x)] : 0, to[static_cast<size_t>(axis)]);
    }
    return copy_kernel(copy);
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    const std::vector<int64_t> to = node.integers("shape");  // -k for k N
    const auto found = std::find_if(to.begin(), to.end(), [](int64_t dim) { return dim < 0; });
    const int axis = found == to.end() ? -1 : static_cast<int>(found - to.begin());
    Shape shape;
    shape.rank = static_cast<int>(to.size());
    std::fill_n(shape.dims.begin(), to.size(), 1);
    return meet_by_images({node.input(0).shape, shape}, {batch[0], axis});
}

}  // namespace

namespace ops {
extern const Op expand;
constexpr Op expand = OpRule("expand").shapes(shapes).every_dtype(prepare).each_image(each_image);
}  // namespace ops

}  // namespace dsf
