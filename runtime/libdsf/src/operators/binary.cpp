// Broadcasting of element-wise ops.
#include "binary.h"

namespace dsf {
namespace {

// Stride of each of y's axes in an input: 0 where the input is broadcast.
std::array<int64_t, MAX_RANK> strides_in(const Shape& input, const Shape& y) {
    std::array<int64_t, MAX_RANK> strides{};
    int64_t stride = 1;
    for (int axis = input.rank; axis-- > 0;) {
        if (input[axis] != 1) strides[static_cast<size_t>(axis + y.rank - input.rank)] = stride;
        stride *= input[axis];
    }
    return strides;
}

}  // namespace

Broadcast plan_broadcast(const Shape& a, const Shape& b, const Shape& y) {
    const auto in_a = strides_in(a, y), in_b = strides_in(b, y);
    Broadcast plan;
    for (size_t axis = 0; axis < static_cast<size_t>(y.rank); ++axis) {
        const int64_t dim = y.dims[axis];
        if (dim == 1) continue;
        const size_t last = static_cast<size_t>(plan.rank) - 1;
        if (plan.rank > 0 && plan.a[last] == dim * in_a[axis] && plan.b[last] == dim * in_b[axis]) {
            plan.dims[last] *= dim;
        } else {
            ++plan.rank;
            plan.dims[last + 1] = dim;
        }
        plan.a[static_cast<size_t>(plan.rank) - 1] = in_a[axis];
        plan.b[static_cast<size_t>(plan.rank) - 1] = in_b[axis];
    }
    if (plan.rank == 0) return plan;
    const size_t inner = static_cast<size_t>(--plan.rank);
    plan.row = plan.dims[inner];
    plan.a_step = plan.a[inner];
    plan.b_step = plan.b[inner];
    return plan;
}

}  // namespace dsf
