// global_max_pool: the largest of each channel; NaN if there is one.
#include "reduce.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_global_pool(preparation, Reduction::max);
}

}  // namespace

namespace ops {
extern const Op global_max_pool;
constexpr Op global_max_pool = OpRule("global_max_pool")
                                   .shapes(shapes_of_global_pool)
                                   .float32(prepare)
                                   .channels_last(follows)
                                   .each_image(by_images);
}  // namespace ops

}  // namespace dsf
