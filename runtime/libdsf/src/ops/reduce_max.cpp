// reduce_max: the largest over axes; NaN if there is one.
#include "reduce.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::max); }

}  // namespace

namespace ops {
extern const Op reduce_max;
constexpr Op reduce_max = OpRule("reduce_max")
                              .shapes(shapes_of_reduce)
                              .float32(prepare)
                              .channels_last(reduce_follows)
                              .each_image(reduce_each_image);
}  // namespace ops

}  // namespace dsf
