// global_average_pool: the mean of each channel.
#include "reduce.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_global_pool(preparation, Reduction::mean);
}

}  // namespace

namespace ops {
extern const Op global_average_pool;
constexpr Op global_average_pool = OpRule("global_average_pool")
                                       .shapes(shapes_of_global_pool)
                                       .float32(prepare)
                                       .channels_last(follows)
                                       .each_image(by_images);
}  // namespace ops

}  // namespace dsf
