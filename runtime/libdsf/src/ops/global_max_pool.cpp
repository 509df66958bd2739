// global_max_pool: the largest of each channel; NaN if there is one.
#include "operators/reduce.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return prepare_global_pool(preparation, Reduction::max);
}

}  // namespace

namespace ops {
extern const Op global_max_pool;
const Op global_max_pool = {"global_max_pool", infer_global_pool, prepare, false, false, false, follows, by_images};
}  // namespace ops

}  // namespace dsf
