// slice: x[start:end:step] along the given axes, with ONNX's clamping; a step may be negative.
#include "operators/copy.h"
#include "op_rule.h"

namespace dsf {
namespace {

struct Range {
    int64_t start = 0, step = 1, count = 0;
};

// Python's slice.indices for one axis.
Range range_of(int64_t start, int64_t end, int64_t step, int64_t dim) {
    step = std::max(-MAX_DIM - 1, std::min(MAX_DIM + 1, step));  // a larger step also takes one element
    const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? dim - 1 : dim;
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    start = std::max(least, std::min(most, start));
    end = std::max(least, std::min(most, end));
    const int64_t count = step < 0 ? (start - end - step - 1) / -step : (end - start + step - 1) / step;
    return {start, step, std::max<int64_t>(0, count)};
}

std::vector<Range> ranges(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const auto starts = node.integers("starts"), ends = node.integers("ends"), steps = node.integers("steps");
    const auto axes = node.integers("axes");
    if (starts.size() != axes.size() || ends.size() != axes.size() || steps.size() != axes.size())
        node.refuse("starts, ends, axes and steps differ in length", "one entry of each for every axis");
    std::vector<Range> result;
    for (int axis = 0; axis < x.rank; ++axis) result.push_back({0, 1, x[axis]});
    node.axes("axes", x.rank);  // in range, none twice
    for (size_t i = 0; i < axes.size(); ++i) {
        if (steps[i] == 0) node.refuse("steps has the entry 0", "positive or negative steps");
        const size_t axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + x.rank : axes[i]);
        result[axis] = range_of(starts[i], ends[i], steps[i], x.dims[axis]);
    }
    return result;
}

std::vector<Shape> shapes(const Inference& node) {
    std::vector<int64_t> dims;
    for (const Range& range : ranges(node)) dims.push_back(range.count);
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const TensorType& x = *preparation.inputs[0];
    const auto from = row_major_strides(x.shape), to = row_major_strides(preparation.outputs[0].shape);
    StridedCopy copy;
    copy.element = size_of(x.dtype);
    size_t axis = 0;
    for (const Range& range : ranges(preparation.attributes())) {
        copy.from_offset += range.start * from[axis];
        copy.add(range.count, range.step * from[axis], to[axis]);
        ++axis;
    }
    return copy_kernel(copy);
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    const std::vector<int> axes = node.axes("axes", node.input(0).shape.rank);
    return std::find(axes.begin(), axes.end(), batch[0]) == axes.end();
}

}  // namespace

namespace ops {
extern const Op slice;
constexpr Op slice = OpRule("slice").shapes(shapes).every_dtype(prepare).moves().each_image(each_image);
}  // namespace ops

}  // namespace dsf
