// Products with a weight that stays in its packed codes (kernels/gemv_shift.h).
#pragma once

#include "product.h"

namespace dsf {

// The kernel, or null where it does not apply or does not pay: b is no shift weight stored by columns of b, or so many
// rows of a share it that expanding it once is faster. has_other_c: a gemm's c that is no bias.
std::unique_ptr<Kernel> packed_product(const Preparation& preparation, const Product& product, int bias,
                                       bool has_other_c);

}  // namespace dsf
