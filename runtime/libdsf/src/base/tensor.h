// Arrays: element types, shapes, and both together with the place where the elements lie.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "dsf.h"

namespace dsf {

constexpr int MAX_RANK = DSF_MAX_RANK;

enum class Dtype : uint8_t { float32 = 1, float16, int8, uint8, int32, int64, boolean };
constexpr size_t DTYPES = 8;  // the length of a table that a Dtype indexes

int64_t size_of(Dtype dtype);      // bytes of one element
const char* name_of(Dtype dtype);  // "float32", ...

// Up to six dimensions. In a file's declaration a dimension -k means k * N; after at_batch() all are >= 0.
struct Shape {
    int rank = 0;
    std::array<int64_t, MAX_RANK> dims{};

    int64_t operator[](int axis) const { return dims[static_cast<size_t>(axis)]; }
    int64_t& operator[](int axis) { return dims[static_cast<size_t>(axis)]; }
    int64_t elements() const;  // product; checked when the shape was made, so it cannot overflow
    bool operator==(const Shape& other) const;
    bool operator!=(const Shape& other) const { return !(*this == other); }
    std::string text() const;  // "(1, 3, 224, 224)"; a declared shape "(N, 3, 224, 224)"
};

// The product of the dimensions in [from, to).
int64_t product(const Shape& shape, int from, int to);

// The shape (N, C, H, W) as (N, H, W, C).
Shape channels_last(const Shape& shape);

// What the elements of an array are, and how many of them lie along each axis. Compared, copied and printed as a whole.
struct TensorType {
    Dtype dtype = Dtype::float32;
    Shape shape;

    int64_t bytes() const { return shape.elements() * size_of(dtype); }
    bool operator==(const TensorType& other) const { return dtype == other.dtype && shape == other.shape; }
    bool operator!=(const TensorType& other) const { return !(*this == other); }
    std::string text() const;  // "float32 (1, 3, 224, 224)"
};

TensorType at_batch(const TensorType& declared, int64_t batch);

// The same elements in another shape.
inline TensorType like(const TensorType& type, const Shape& shape) {
    TensorType other = type;
    other.shape = shape;
    return other;
}

// What is over the caps of base/caps.h: "rank 7", "dimension 0", or "" if all is well.
std::string over_caps(const TensorType& type);
std::string caps_text();  // what over_caps() wants instead

// A dense row-major array.
struct Tensor {
    TensorType type;
    void* data = nullptr;

    template <class T> T* as() const { return static_cast<T*>(data); }
    const Shape& shape() const { return type.shape; }
};

}  // namespace dsf
