// Every op libdsf runs. Adding one: its file defines ops::<name>; put the name into both lists, in order.
#include "op.h"

#include <algorithm>

namespace dsf {

namespace ops {
extern const Op
    abs, add, cast, clip, concat, constant_of_shape, div, elu, erf, exp, expand, flatten, gather, gelu, hard_sigmoid,
    hard_swish, identity, leaky_relu, log, mul, neg, pad, pow, prelu, reciprocal, relu, reshape, sigmoid, slice,
    split, sqrt, squeeze, sub, tanh, transpose, unsqueeze;
}  // namespace ops

const std::vector<const Op*>& all_ops() {
    static const std::vector<const Op*> table = {
        &ops::abs, &ops::add, &ops::cast, &ops::clip, &ops::concat, &ops::constant_of_shape, &ops::div, &ops::elu,
        &ops::erf, &ops::exp, &ops::expand, &ops::flatten, &ops::gather, &ops::gelu, &ops::hard_sigmoid,
        &ops::hard_swish, &ops::identity, &ops::leaky_relu, &ops::log, &ops::mul, &ops::neg, &ops::pad, &ops::pow,
        &ops::prelu, &ops::reciprocal, &ops::relu, &ops::reshape, &ops::sigmoid, &ops::slice, &ops::split,
        &ops::sqrt, &ops::squeeze, &ops::sub, &ops::tanh, &ops::transpose, &ops::unsqueeze,
    };
    return table;
}

const Op* find_op(const std::string& name) {
    const std::vector<const Op*>& table = all_ops();
    const auto found = std::lower_bound(table.begin(), table.end(), name,
                                        [](const Op* op, const std::string& wanted) { return op->name < wanted; });
    return found != table.end() && (*found)->name == name ? *found : nullptr;
}

}  // namespace dsf
