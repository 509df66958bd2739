// split: x cut along axis into pieces of the given lengths, one output each.
#include "operators/copy.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", 0, x.rank);
    const std::vector<int64_t> lengths = attribute_dimensions(node, "split");
    node.expect_outputs(static_cast<int>(lengths.size()), static_cast<int>(lengths.size()));
    int64_t total = 0;
    std::vector<Shape> shapes;
    for (int64_t length : lengths) {
        total += length;
        std::vector<int64_t> dims = dims_of(x);
        dims[static_cast<size_t>(axis)] = length;
        shapes.push_back(output_shape(node, dims));
    }
    if (total != x[axis])
        node.refuse("split adds up to " + std::to_string(total), std::to_string(x[axis]) + ", the axis' length");
    return shapes;
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
constexpr Op split =
    OpRule("split").outputs(1, MAX_NODE_ENDS).shapes(shapes).every_dtype(prepare).moves().each_image(beside_axis<0>);
}  // namespace ops

}  // namespace dsf
