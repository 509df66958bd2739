// max_pool: the largest of each window; NaN if there is one.
#include "operators/pool.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) { return infer_pool(node, Pooling::max); }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_pool(preparation, Pooling::max); }

}  // namespace

namespace ops {
extern const Op max_pool;
const Op max_pool = {"max_pool", infer, prepare, false, false, false, follows, by_images, nullptr, work_of_pool};
}  // namespace ops

}  // namespace dsf
