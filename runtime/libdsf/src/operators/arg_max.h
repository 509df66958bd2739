// Where the largest element along an axis is; NaN counts as the largest.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

enum class Ties : uint8_t { first, last };  // of equals

std::unique_ptr<Kernel> arg_max_kernel(int axis, Ties ties);

}  // namespace dsf
