// concat: the inputs one after another along axis.
#include "operators/copy.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const TensorType& first = node.input(0);
    node.integer("axis");  // required
    const int axis = node.axis("axis", 0, first.shape.rank);
    std::vector<int64_t> dims = dims_of(first.shape);
    for (int i = 1; i < node.input_count(); ++i) {
        const TensorType& next = node.input(i);
        TensorType others = next;
        if (others.shape.rank == first.shape.rank) others.shape[axis] = first.shape[axis];
        if (others != first)
            node.refuse("input " + std::to_string(i) + " is " + next.text(),
                        "like input 0 but for the axis: " + first.text());
        dims[static_cast<size_t>(axis)] += next.shape[axis];
    }
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    Shape y = preparation.outputs[0].shape;
    int axis = preparation.attributes().axis("axis", 0, y.rank);
    std::vector<Shape> shapes;
    for (const TensorType* input : preparation.inputs) shapes.push_back(input->shape);
    if (preparation.channels_last) {
        axis = axis == 0 ? 0 : axis == 1 ? y.rank - 1 : axis - 1;
        for (Shape& shape : shapes) shape = channels_last(shape);
        y = channels_last(y);
    }
    const int64_t outer = product(y, 0, axis), inner = product(y, axis + 1, y.rank);
    std::vector<CopyKernel::Part> parts;
    int64_t offset = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
        const int64_t row = shapes[i][axis] * inner;
        StridedCopy copy;
        copy.element = size_of(preparation.outputs[0].dtype);
        copy.to_offset = offset;
        copy.add(outer, row, y[axis] * inner);
        copy.add(row, 1, 1);
        parts.push_back({copy, static_cast<int>(i), 0});
        offset += row;
    }
    return std::make_unique<CopyKernel>(std::move(parts));
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    const bool alike = std::all_of(batch.begin(), batch.end(), [&](int axis) { return axis == batch[0]; });
    return alike && node.axis("axis", 0, node.input(0).shape.rank) != batch[0];
}

}  // namespace

namespace ops {
extern const Op concat;
constexpr Op concat = OpRule("concat")
                          .inputs(1, MAX_NODE_ENDS)
                          .shapes(shapes)
                          .every_dtype(prepare)
                          .channels_last(follows)
                          .each_image(each_image);
}  // namespace ops

}  // namespace dsf
