// Products of many rows with a weight, by the micro-kernel of convolutions (kernels/panels.h): only b is packed.
#pragma once

#include "product.h"

namespace dsf {

// The kernel, or null where it does not apply: b is no weight, rows of a are not contiguous, alpha is not 1, or a gemm
// has a c that is no bias.
std::unique_ptr<Kernel> panel_product(const Preparation& preparation, const Product& product, int bias,
                                      bool has_other_c);

}  // namespace dsf
