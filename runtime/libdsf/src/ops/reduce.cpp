// What reduce_mean, reduce_sum, reduce_max and the global pools share.
#include "reduce.h"

#include <algorithm>

#include "rules.h"

namespace dsf {

std::vector<Shape> shapes_of_reduce(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const std::vector<int> axes = node.axes("axes", x.rank);
    if (axes.empty()) node.refuse("axes is empty", "the axes to reduce");
    const bool keep = flag(node, "keepdims", true);
    std::vector<int64_t> dims = dims_of(x);
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
        if (keep) dims[static_cast<size_t>(*axis)] = 1;
        else dims.erase(dims.begin() + *axis);
    }
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare_reduce(const Preparation& preparation, Reduction reduction) {
    const Shape& x = preparation.inputs[0]->shape;
    if (preparation.channels_last) return prepare_global_pool(preparation, reduction);
    std::vector<bool> reduced(static_cast<size_t>(x.rank));
    for (int axis : preparation.attributes().axes("axes", x.rank)) reduced[static_cast<size_t>(axis)] = true;
    return reduce_kernel(x, reduced, reduction);
}

// Over all axes of the pixels, and no other: a global pool.
ChannelsLast reduce_follows(const Preparation& preparation) {
    const int rank = preparation.inputs[0]->shape.rank;
    const std::vector<int> axes = preparation.attributes().axes("axes", rank);
    return axes.front() == 2 && static_cast<int>(axes.size()) == rank - 2 ? ChannelsLast::follows : ChannelsLast::never;
}

bool reduce_each_image(const Inference& node, const BatchAxes& batch) {
    const std::vector<int> axes = node.axes("axes", node.input(0).shape.rank);
    return std::find(axes.begin(), axes.end(), batch[0]) == axes.end();
}

std::vector<Shape> shapes_of_global_pool(const Inference& node) {
    node.expect_rank(0, 3, MAX_RANK);
    Shape y = node.input(0).shape;
    for (int axis = 2; axis < y.rank; ++axis) y[axis] = 1;
    return {y};
}

std::unique_ptr<Kernel> prepare_global_pool(const Preparation& preparation, Reduction reduction) {
    const Shape& given = preparation.inputs[0]->shape;
    const Shape x = preparation.channels_last ? channels_last(given) : given;
    std::vector<bool> reduced(static_cast<size_t>(x.rank), true);
    reduced[0] = reduced[preparation.channels_last ? static_cast<size_t>(x.rank) - 1 : 1] = false;
    return reduce_kernel(x, reduced, reduction);
}

}  // namespace dsf
