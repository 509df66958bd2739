// gather: slices of x along axis, chosen by indices; a negative index counts from the end.
#include "operators/gather.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", 0, x.rank);
    std::vector<int64_t> dims = dims_of(x);
    dims.erase(dims.begin() + axis);
    const std::vector<int64_t> chosen = dims_of(node.input(1).shape);
    dims.insert(dims.begin() + axis, chosen.begin(), chosen.end());
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const int axis = preparation.attributes().axis("axis", 0, preparation.inputs[0]->shape.rank);
    return gather_kernel(where_of(preparation), axis);
}

// Slices of each image by the same indices, or slices of one x by each image's.
bool each_image(const Inference& node, const BatchAxes& batch) {
    const int axis = node.axis("axis", 0, node.input(0).shape.rank);
    return batch[0] >= 0 ? batch[1] < 0 && axis != batch[0] : true;
}

}  // namespace

namespace ops {
extern const Op gather;
constexpr Op gather =
    OpRule("gather").inputs(2).shapes(shapes).every_dtype(prepare).moves().indices(1).each_image(each_image);
}  // namespace ops

}  // namespace dsf
