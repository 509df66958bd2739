// A tensor of one value, which its dtype has.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

std::unique_ptr<Kernel> constant_of_shape_kernel(float value);

}  // namespace dsf
