// Rules that several ops share.
#pragma once

#include "base/caps.h"
#include "op.h"

namespace dsf {

// Shape rules.
std::vector<Shape> like_input(const Inference& node);  // one output like input 0
std::vector<Shape> along_axis(const Inference& node);  // the same, of an attribute `axis` that is the last if absent
std::vector<Shape> broadcast(const Inference& node);   // inputs 0 and 1 as NumPy broadcasts them

// For Op::channels_last.
ChannelsLast elements(const Preparation&);
ChannelsLast follows(const Preparation&);

// For Op::each_image.
bool by_elements(const Inference& node, const BatchAxes& batch);  // element by element, with NumPy's broadcasting
bool by_images(const Inference& node, const BatchAxes& batch);    // what (N, C, ...) of input 0 gives, N by N
// For an op of one input that works along an attribute `axis`: whether that is not the batch's. ABSENT: its default.
template <int ABSENT> bool beside_axis(const Inference& node, const BatchAxes& batch) {
    return node.axis("axis", ABSENT, node.input(0).shape.rank) != batch[0];
}

// For Op::takes: it takes a residual, relu and clip.
bool bounds(const Inference& node, const Epilogue& epilogue);

// What rules are made of.

// The output's shape from its dimensions, each of them refused outside 1..2^20.
Shape output_shape(const Inference& node, const std::vector<int64_t>& dims);

// A dimension in an attribute: d > 0 is d, -k is k * N.
int64_t attribute_dimension(const Inference& node, const char* attribute, int64_t declared);
std::vector<int64_t> attribute_dimensions(const Inference& node, const char* attribute);

std::vector<int64_t> dims_of(const Shape& shape);

// What numpy.broadcast_shapes gives for the axes of a and b but the last `without` of each.
Shape broadcast_shape(const Inference& node, const Shape& a, const Shape& b, int without = 0);

// An attribute that is 0 or 1.
bool flag(const Inference& node, const char* attribute, bool absent);

// An attribute with one entry a spatial axis, each within [least, most].
std::vector<int64_t> spatial(const Inference& node, const char* attribute, size_t count, int64_t absent, int64_t least,
                             int64_t most);

// Refuses an input whose shape is not `expected`.
void expect_shape(const Inference& node, int input, const Shape& expected, const char* meaning);

// Whether inputs are broadcast image by image: all that hold the batch do so along one axis, counted from the last, and
// there the others have one entry or none.
bool meet_by_images(const std::vector<Shape>& shapes, const BatchAxes& batch);

// The form of a view: a plain copy, for a plan that cannot alias.
std::unique_ptr<Kernel> prepare_view(const Preparation& preparation);

// "model.dsf: node 'name' (op)", for errors while running.
std::string where_of(const Preparation& preparation);

}  // namespace dsf
