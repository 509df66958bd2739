// y = x, or alpha * (e^x - 1) below 0.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

std::unique_ptr<Kernel> elu_kernel(float alpha);

}  // namespace dsf
