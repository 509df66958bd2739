// global_average_pool: the mean of each channel.
#include "operators/reduce.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_global_pool(preparation, Reduction::mean);
}

}  // namespace

namespace ops {
extern const Op global_average_pool;
const Op global_average_pool = {
    "global_average_pool", infer_global_pool, prepare, false, false, false, follows, by_images};
}  // namespace ops

}  // namespace dsf
