// max_pool and average_pool: windows over the last one or two axes.
#pragma once

#include "op.h"

namespace dsf {

enum class Pooling : uint8_t { max, average };

std::vector<TensorType> infer_pool(const Inference& node, Pooling pooling);
std::unique_ptr<Kernel> prepare_pool(const Preparation& preparation, Pooling pooling);

}  // namespace dsf
