// Elements as another dtype: convert() in element.h.
#pragma once

#include <memory>

#include "kernel.h"

namespace dsf {

std::unique_ptr<Kernel> cast_kernel();

}  // namespace dsf
