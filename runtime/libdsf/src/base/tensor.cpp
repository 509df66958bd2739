// Shapes and types: sizes, names, text, and the batch size put in the place of N.
#include "tensor.h"

#include <algorithm>

#include "caps.h"
#include "checked.h"

namespace dsf {

int64_t size_of(Dtype dtype) {
    switch (dtype) {
        case Dtype::float32:
        case Dtype::int32:
            return 4;
        case Dtype::float16:
            return 2;
        case Dtype::int8:
        case Dtype::uint8:
        case Dtype::boolean:
            return 1;
        case Dtype::int64:
            return 8;
    }
    return 0;
}

const char* name_of(Dtype dtype) {
    switch (dtype) {
        case Dtype::float32:
            return "float32";
        case Dtype::float16:
            return "float16";
        case Dtype::int8:
            return "int8";
        case Dtype::uint8:
            return "uint8";
        case Dtype::int32:
            return "int32";
        case Dtype::int64:
            return "int64";
        case Dtype::boolean:
            return "bool";
    }
    return "unknown";
}

int64_t Shape::elements() const {
    int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= (*this)[axis];
    return product;
}

bool Shape::operator==(const Shape& other) const {
    return rank == other.rank && std::equal(dims.begin(), dims.begin() + rank, other.dims.begin());
}

std::string Shape::text() const {
    std::string text = "(";
    for (int axis = 0; axis < rank; ++axis) {
        int64_t dim = (*this)[axis];
        if (axis > 0) text += ", ";
        if (dim >= 0) text += std::to_string(dim);
        else text += dim == -1 ? "N" : std::to_string(-dim) + "N";
    }
    return text + (rank == 1 ? ",)" : ")");
}

int64_t product(const Shape& shape, int from, int to) {
    int64_t n = 1;
    for (int axis = from; axis < to; ++axis) n *= shape[axis];
    return n;
}

Shape channels_last(const Shape& shape) {
    Shape last = shape;
    for (int axis = 1; axis + 1 < shape.rank; ++axis) last[axis] = shape[axis + 1];
    last[shape.rank - 1] = shape[1];
    return last;
}

std::string TensorType::text() const { return std::string(name_of(dtype)) + " " + shape.text(); }

// Cannot overflow: a declared dimension is at least -MAX_DIM, and a batch size at most MAX_DIM.
TensorType at_batch(const TensorType& declared, int64_t batch) {
    TensorType type = declared;
    for (int axis = 0; axis < type.shape.rank; ++axis)
        if (type.shape[axis] < 0) type.shape[axis] *= -batch;
    return type;
}

std::string over_caps(const TensorType& type) {
    const Shape& shape = type.shape;
    if (shape.rank < 0 || shape.rank > MAX_RANK) return "rank " + std::to_string(shape.rank);
    uint64_t bytes = static_cast<uint64_t>(size_of(type.dtype));
    for (int axis = 0; axis < shape.rank; ++axis) {
        if (shape[axis] < 1 || shape[axis] > MAX_DIM) return "dimension " + std::to_string(shape[axis]);
        if (!checked_mul(bytes, static_cast<uint64_t>(shape[axis]), &bytes) || bytes > MAX_TENSOR_BYTES)
            return "more than " + std::to_string(MAX_TENSOR_BYTES) + " bytes in shape " + shape.text();
    }
    return "";
}

std::string caps_text() {
    return "dimensions of 1 to " + std::to_string(MAX_DIM) + " and at most " + std::to_string(MAX_TENSOR_BYTES) +
           " bytes";
}

}  // namespace dsf
