// What softmax and log_softmax share.
//
//   softmax       y = e^(x - max) / sum e^(x - max)      along axis
//   log_softmax   y = x - max - log(sum e^(x - max))
#pragma once

#include "ops/op.h"

namespace dsf {

std::vector<TensorType> infer_softmax(const Inference& node);
std::unique_ptr<Kernel> prepare_softmax(const Preparation& preparation, bool logarithm);

}  // namespace dsf
