// x with elements put around it: one value, a reflection without the edge itself, or the edge repeated.
#pragma once

#include <memory>
#include <vector>

#include "kernel.h"

namespace dsf {

enum class PadMode : uint8_t { constant, reflect, edge };

// Makes the kernel from x to y. before: by axis, how many elements of y come before those of x.
std::unique_ptr<Kernel> pad_kernel(const Shape& x, const std::vector<int64_t>& before, const Shape& y, PadMode mode,
                                   float value);

}  // namespace dsf
