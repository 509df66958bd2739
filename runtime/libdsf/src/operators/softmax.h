// What softmax and log_softmax share.
//
//   softmax       y = e^(x - max) / sum e^(x - max)      along axis
//   log_softmax   y = x - max - log(sum e^(x - max))
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

enum class Softmax : uint8_t { plain, logarithm };

std::unique_ptr<Kernel> softmax_kernel(int axis, Softmax softmax);

}  // namespace dsf
