// reduce_mean: the mean over axes.
#include "reduce.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_reduce(preparation, Reduction::mean); }

}  // namespace

namespace ops {
extern const Op reduce_mean;
constexpr Op reduce_mean = OpRule("reduce_mean")
                               .shapes(shapes_of_reduce)
                               .float32(prepare)
                               .channels_last(reduce_follows)
                               .each_image(reduce_each_image);
}  // namespace ops

}  // namespace dsf
