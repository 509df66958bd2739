// reduce_mean, reduce_sum, reduce_max and the global pools: one pass over x.
//
// Axes are merged into runs of kept and of reduced ones. Where the last run is reduced, it is summed as an array; where
// it is kept, blocks of columns are summed row by row. Sums are kept in double across runs.
#pragma once

#include <memory>
#include <vector>

#include "kernel.h"

namespace dsf {

enum class Reduction : uint8_t { sum, mean, max };

// reduced: by axis of x.
std::unique_ptr<Kernel> reduce_kernel(const Shape& x, const std::vector<bool>& reduced, Reduction reduction);

}  // namespace dsf
