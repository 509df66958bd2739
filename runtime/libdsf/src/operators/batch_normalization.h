// y = (x - mean) / sqrt(var + epsilon) * scale + bias, for each channel; inputs x, scale, bias, mean, var.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

std::unique_ptr<Kernel> batch_normalization_kernel(float epsilon);
// Makes the kernel for images whose channels are stored last.
std::unique_ptr<Kernel> batch_normalization_last_kernel(float epsilon);

}  // namespace dsf
