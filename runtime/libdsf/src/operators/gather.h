// Slices of input 0 along an axis, chosen by the int64 indices of input 1; a negative one counts from the end.
#pragma once

#include <memory>
#include <string>

#include "kernel.h"

namespace dsf {

// where: the node, for the error about an index out of range.
std::unique_ptr<Kernel> gather_kernel(std::string where, int axis);

}  // namespace dsf
