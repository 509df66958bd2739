// split: x cut along axis into pieces of the given lengths, one output each.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    const TensorType& x = node.input(0);
    const int axis = node.axis("axis", 0, x.shape.rank);
    const std::vector<int64_t> lengths = attribute_dimensions(node, "split");
    node.expect_outputs(static_cast<int>(lengths.size()), static_cast<int>(lengths.size()));
    int64_t total = 0;
    std::vector<TensorType> types;
    for (int64_t length : lengths) {
        total += length;
        std::vector<int64_t> dims = dims_of(x.shape);
        dims[static_cast<size_t>(axis)] = length;
        types.push_back({x.dtype, output_shape(node, dims)});
    }
    if (total != x.shape[axis])
        node.refuse("split adds up to " + std::to_string(total), std::to_string(x.shape[axis]) + ", the axis' length");
    return types;
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Shape& x = preparation.inputs[0]->shape;
    const int axis = preparation.attributes().axis("axis", 0, x.rank);
    const int64_t outer = product(x, 0, axis), inner = product(x, axis + 1, x.rank);
    std::vector<CopyKernel::Part> parts;
    int64_t offset = 0;
    for (size_t i = 0; i < preparation.outputs.size(); ++i) {
        const int64_t row = preparation.outputs[i].shape[axis] * inner;
        StridedCopy copy;
        copy.element = size_of(preparation.inputs[0]->dtype);
        copy.from_offset = offset;
        copy.add(outer, x[axis] * inner, row);
        copy.add(row, 1, 1);
        parts.push_back({copy, 0, static_cast<int>(i)});
        offset += row;
    }
    return std::make_unique<CopyKernel>(std::move(parts));
}

}  // namespace

namespace ops {
extern const Op split;
const Op split = {"split", infer, prepare, false, false, false, nullptr, beside_axis<0>};
}  // namespace ops

}  // namespace dsf
