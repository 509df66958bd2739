// Images in the other order of their axes: [N][C][H][W] and [N][H][W][C].
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

// image: its shape as ONNX says it, (N, C, ...).
std::unique_ptr<Kernel> channels_last_kernel(const Shape& image);
std::unique_ptr<Kernel> channels_first_kernel(const Shape& image);

}  // namespace dsf
