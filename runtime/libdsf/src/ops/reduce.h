// What reduce_mean, reduce_sum, reduce_max and the global pools share.
#pragma once

#include "op.h"
#include "operators/reduce.h"

namespace dsf {

// For ops that reduce the axes of an attribute.
std::vector<Shape> shapes_of_reduce(const Inference& node);
std::unique_ptr<Kernel> prepare_reduce(const Preparation& preparation, Reduction reduction);
ChannelsLast reduce_follows(const Preparation& preparation);            // Op::channels_last
bool reduce_each_image(const Inference& node, const BatchAxes& batch);  // Op::each_image

// For ops that reduce all axes after the second, and keep them as 1.
std::vector<Shape> shapes_of_global_pool(const Inference& node);
std::unique_ptr<Kernel> prepare_global_pool(const Preparation& preparation, Reduction reduction);

}  // namespace dsf
