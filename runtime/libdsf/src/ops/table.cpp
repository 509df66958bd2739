// Every op libdsf runs. Adding one: its file defines ops::<name>; put the name into both lists, in order.
#include "op.h"

#include <algorithm>

namespace dsf {

namespace ops {
extern const Op abs, add, arg_max, average_pool, batch_normalization, cast, clip, concat, constant_of_shape, conv,
    conv_transpose, div, elu, erf, exp, expand, flatten, floor, gather, gelu, gemm, global_average_pool,
    global_max_pool, hard_sigmoid, hard_swish, identity, layer_normalization, leaky_relu, log, log_softmax, mat_mul,
    max_pool, mul, neg, pad, pow, prelu, reciprocal, reduce_max, reduce_mean, reduce_sum, relu, reshape, resize,
    sigmoid, slice, softmax, split, sqrt, squeeze, sub, tanh, top_k, transpose, unsqueeze;
}  // namespace ops

const std::vector<const Op*>& all_ops() {
    static const std::vector<const Op*> table = {
        &ops::abs,
        &ops::add,
        &ops::arg_max,
        &ops::average_pool,
        &ops::batch_normalization,
        &ops::cast,
        &ops::clip,
        &ops::concat,
        &ops::constant_of_shape,
        &ops::conv,
        &ops::conv_transpose,
        &ops::div,
        &ops::elu,
        &ops::erf,
        &ops::exp,
        &ops::expand,
        &ops::flatten,
        &ops::floor,
        &ops::gather,
        &ops::gelu,
        &ops::gemm,
        &ops::global_average_pool,
        &ops::global_max_pool,
        &ops::hard_sigmoid,
        &ops::hard_swish,
        &ops::identity,
        &ops::layer_normalization,
        &ops::leaky_relu,
        &ops::log,
        &ops::log_softmax,
        &ops::mat_mul,
        &ops::max_pool,
        &ops::mul,
        &ops::neg,
        &ops::pad,
        &ops::pow,
        &ops::prelu,
        &ops::reciprocal,
        &ops::reduce_max,
        &ops::reduce_mean,
        &ops::reduce_sum,
        &ops::relu,
        &ops::reshape,
        &ops::resize,
        &ops::sigmoid,
        &ops::slice,
        &ops::softmax,
        &ops::split,
        &ops::sqrt,
        &ops::squeeze,
        &ops::sub,
        &ops::tanh,
        &ops::top_k,
        &ops::transpose,
        &ops::unsqueeze,
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
