// Rules that several ops share.
#include "rules.h"

#include <algorithm>

#include "operators/copy.h"

namespace dsf {

std::vector<Shape> like_input(const Inference& node) { return {node.input(0).shape}; }

std::vector<Shape> along_axis(const Inference& node) {
    node.expect_rank(0, 1, MAX_RANK);
    node.axis("axis", -1, node.input(0).shape.rank);
    return like_input(node);
}

std::vector<Shape> broadcast(const Inference& node) {
    return {broadcast_shape(node, node.input(0).shape, node.input(1).shape)};
}

ChannelsLast elements(const Preparation&) { return ChannelsLast::elements; }
ChannelsLast follows(const Preparation&) { return ChannelsLast::follows; }

bool bounds(const Inference&, const Epilogue& epilogue) {
    return epilogue.activation == Epilogue::Activation::none || epilogue.activation == Epilogue::Activation::relu ||
           epilogue.activation == Epilogue::Activation::clip;
}

Shape output_shape(const Inference& node, const std::vector<int64_t>& dims) {
    if (dims.size() > MAX_RANK)
        node.refuse("the output has rank " + std::to_string(dims.size()), "at most " + std::to_string(MAX_RANK));
    for (int64_t dim : dims)
        if (dim < 1 || dim > MAX_DIM)
            node.refuse("the output has a dimension of " + std::to_string(dim), "1 to " + std::to_string(MAX_DIM));
    return node.shape(dims);
}

int64_t attribute_dimension(const Inference& node, const char* attribute, int64_t declared) {
    if (declared == 0 || declared > MAX_DIM || declared < -MAX_DIM)
        node.refuse(std::string(attribute) + " has a dimension of " + std::to_string(declared),
                    "1 to " + std::to_string(MAX_DIM) + ", or -k for k times the batch size");
    return declared > 0 ? declared : -declared * node.batch();
}

std::vector<int64_t> attribute_dimensions(const Inference& node, const char* attribute) {
    std::vector<int64_t> dims = node.integers(attribute);
    for (int64_t& dim : dims) dim = attribute_dimension(node, attribute, dim);
    return dims;
}

std::vector<int64_t> dims_of(const Shape& shape) {
    return std::vector<int64_t>(shape.dims.begin(), shape.dims.begin() + shape.rank);
}

Shape broadcast_shape(const Inference& node, const Shape& a, const Shape& b, int without) {
    const int rank_a = a.rank - without, rank_b = b.rank - without, rank = std::max(rank_a, rank_b);
    std::vector<int64_t> dims(static_cast<size_t>(rank));
    for (int axis = 0; axis < rank; ++axis) {
        const int in_a = axis - (rank - rank_a), in_b = axis - (rank - rank_b);
        const int64_t left = in_a < 0 ? 1 : a[in_a], right = in_b < 0 ? 1 : b[in_b];
        if (left != right && left != 1 && right != 1)
            node.refuse("shapes " + a.text() + " and " + b.text() + " do not broadcast",
                        "dimensions that are equal or 1, aligned at the last");
        dims[static_cast<size_t>(axis)] = left == 1 ? right : left;
    }
    return output_shape(node, dims);
}

bool flag(const Inference& node, const char* attribute, bool absent) {
    const int64_t value = node.integer(attribute, absent);
    if (value != 0 && value != 1) node.refuse(std::string(attribute) + " is " + std::to_string(value), "0 or 1");
    return value != 0;
}

std::vector<int64_t> spatial(const Inference& node, const char* attribute, size_t count, int64_t absent, int64_t least,
                             int64_t most) {
    std::vector<int64_t> values = node.integers(attribute, std::vector<int64_t>(count, absent));
    if (values.size() != count)
        node.refuse(std::string(attribute) + " has " + std::to_string(values.size()) + " entries",
                    std::to_string(count));
    for (int64_t value : values)
        if (value < least || value > most)
            node.refuse(std::string(attribute) + " has the entry " + std::to_string(value),
                        std::to_string(least) + " to " + std::to_string(most));
    return values;
}

void expect_shape(const Inference& node, int input, const Shape& expected, const char* meaning) {
    const Shape& found = node.input(input).shape;
    if (!(found == expected)) node.refuse(std::string(meaning) + " has shape " + found.text(), expected.text());
}

bool meet_by_images(const std::vector<Shape>& shapes, const BatchAxes& batch) {
    int from_last = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
        if (batch[i] < 0) continue;
        if (from_last > 0 && from_last != shapes[i].rank - batch[i]) return false;
        from_last = shapes[i].rank - batch[i];
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
        const int axis = shapes[i].rank - from_last;
        if (batch[i] < 0 && axis >= 0 && shapes[i][axis] != 1) return false;
    }
    return true;
}

bool by_elements(const Inference& node, const BatchAxes& batch) {
    std::vector<Shape> shapes;
    for (int i = 0; i < node.input_count(); ++i) shapes.push_back(node.input(i).shape);
    return meet_by_images(shapes, batch);
}

bool by_images(const Inference&, const BatchAxes& batch) {
    return batch[0] == 0 && std::count(batch.begin(), batch.end(), -1) == static_cast<int64_t>(batch.size()) - 1;
}

std::unique_ptr<Kernel> prepare_view(const Preparation& preparation) {
    StridedCopy copy;
    copy.element = size_of(preparation.outputs[0].dtype);
    copy.add(preparation.outputs[0].shape.elements(), 1, 1);
    return copy_kernel(copy);
}

std::string where_of(const Preparation& preparation) {
    return preparation.model.path + ": node '" + preparation.node.name + "' (" + preparation.node.op->name + ")";
}

}  // namespace dsf
