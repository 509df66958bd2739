// The k largest (or smallest) elements along an axis and their indices; of equals the lower index comes first.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

enum class Top : uint8_t { largest, smallest };

// Makes the kernel for an input of shape x.
std::unique_ptr<Kernel> top_k_kernel(const Shape& x, int axis, int64_t k, Top top, int threads);

}  // namespace dsf
