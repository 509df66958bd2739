// reduce_sum: the sum over axes.
#include "reduce.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::sum); }

}  // namespace

namespace ops {
extern const Op reduce_sum;
constexpr Op reduce_sum = OpRule("reduce_sum")
                              .shapes(shapes_of_reduce)
                              .float32(prepare)
                              .channels_last(reduce_follows)
                              .each_image(reduce_each_image);
}  // namespace ops

}  // namespace dsf
