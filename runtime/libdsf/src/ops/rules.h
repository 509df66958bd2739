// Shape rules that several ops share.
#pragma once

#include "base/caps.h"
#include "op.h"

namespace dsf {

// One float32 input; the output is like it.
std::vector<TensorType> float_like_input(const Inference& node);

// The output's shape from its dimensions, each of them refused outside 1..2^20.
Shape output_shape(const Inference& node, const std::vector<int64_t>& dims);

// A dimension in an attribute: d > 0 is d, -k is k * N.
int64_t attribute_dimension(const Inference& node, const char* attribute, int64_t declared);
std::vector<int64_t> attribute_dimensions(const Inference& node, const char* attribute);

std::vector<int64_t> dims_of(const Shape& shape);

// numpy.broadcast_shapes of the leading axes of a and b, all but the last `without`.
Shape broadcast_shape(const Inference& node, const Shape& a, const Shape& b, int without = 0);

// An attribute that is 0 or 1.
bool flag(const Inference& node, const char* attribute, bool absent);

// An attribute with one entry a spatial axis, each within [least, most].
std::vector<int64_t> spatial(const Inference& node, const char* attribute, size_t count, int64_t absent, int64_t least,
                             int64_t most);

// Refuses an input whose shape is not `expected`.
void expect_shape(const Inference& node, int input, const Shape& expected, const char* meaning);

// Product of the dimensions in [from, to).
int64_t product(const Shape& shape, int from, int to);

// (N, C, H, W) as (N, H, W, C).
Shape channels_last(const Shape& shape);

// Whether inputs are broadcast image by image: all that hold the batch do so along one axis, counted from the last, and
// there the others have one entry or none.
bool meet_by_images(const std::vector<Shape>& shapes, const BatchAxes& batch);

// "model.dsf: node 'name' (op)", for errors while running.
std::string where_of(const Preparation& preparation);

}  // namespace dsf
