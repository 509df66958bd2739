// reduce_mean, reduce_sum, reduce_max and the global pools: one pass over x.
//
// Axes are merged into runs of kept and of reduced ones. Where the last run is reduced, it is summed as an array; where
// it is kept, blocks of columns are summed row by row. Sums are kept in double across runs.
#pragma once

#include "ops/op.h"

namespace dsf {

enum class Reduction : uint8_t { sum, mean, max };

std::vector<TensorType> infer_reduce(const Inference& node);
std::unique_ptr<Kernel> prepare_reduce(const Preparation& preparation, Reduction reduction);

// Over all axes after the second, which are kept as 1.
std::vector<TensorType> infer_global_pool(const Inference& node);
std::unique_ptr<Kernel> prepare_global_pool(const Preparation& preparation, Reduction reduction);

// What reduce_mean and its like make of images with channels last: Op::channels_last.
ChannelsLast reduce_follows(const Preparation& preparation);
bool reduce_each_image(const Inference& node, const BatchAxes& batch);  // Op::each_image

}  // namespace dsf
