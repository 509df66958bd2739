// layout: which images a plan keeps with their channels last, [N][H][W][C], and the steps that reorder them in between
//
//   conv            wants its input so and gives its output so; of an RGB image it makes that order itself. One that is as
//                   fast in ONNX's order stays there, if its input is so and nobody wants its output with channels last
//   pools, concat   do as their input does
//   element-wise    the same, for all their images; other ops get and give ONNX's order
//
// A value that is wanted in the other order too gets a copy, made where it is first wanted. Where a value has one
// channel or one pixel, both orders are the same bytes, and nothing needs to be done.
#pragma once

#include "fusion.h"
#include "plan.h"

namespace dsf {

// Takes the groups through the decision and puts groups without nodes between them, which reorder. Types of the copies
// are appended to types. shown: where each of the model's values is in ONNX's order, if anything reads it so; with
// keep_values that is always so.
std::vector<Group> lay_out(const Model& model, int64_t batch, const PlanOptions& options, std::vector<Group> groups,
                           std::vector<TensorType>& types, std::vector<int>& shown);

// The shape with channels last of an operand that is broadcast to images of this rank: (N, C, H, W) becomes (N, H, W, C),
// and (C, 1, 1) becomes (1, 1, C).
Shape with_channels_last(const Shape& shape, int rank);

}  // namespace dsf
