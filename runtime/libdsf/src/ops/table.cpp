// Every op libdsf runs. Adding one: its file defines ops::<name>; put the name into both lists, in order.
#include "op.h"

#include <algorithm>

namespace dsf {

namespace ops {
extern const Op
    abs, clip, elu, erf, exp, flatten, gelu, hard_sigmoid, hard_swish, identity, leaky_relu, log, neg, reciprocal,
    relu, reshape, sigmoid, sqrt, squeeze, tanh, unsqueeze;
}  // namespace ops

const std::vector<const Op*>& all_ops() {
    static const std::vector<const Op*> table = {
        &ops::abs, &ops::clip, &ops::elu, &ops::erf, &ops::exp, &ops::flatten, &ops::gelu, &ops::hard_sigmoid,
        &ops::hard_swish, &ops::identity, &ops::leaky_relu, &ops::log, &ops::neg, &ops::reciprocal, &ops::relu,
        &ops::reshape, &ops::sigmoid, &ops::sqrt, &ops::squeeze, &ops::tanh, &ops::unsqueeze,
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
