// y = (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from an axis on; inputs x, scale, bias.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

// bias: which input it is, or -1.
std::unique_ptr<Kernel> layer_normalization_kernel(int axis, float epsilon, int bias);

}  // namespace dsf
