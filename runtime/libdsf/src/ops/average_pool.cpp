// average_pool: the mean of each window, with or without the padding.
#include "operators/pool.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) { return infer_pool(node, Pooling::average); }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_pool(preparation, Pooling::average); }

}  // namespace

namespace ops {
extern const Op average_pool;
const Op average_pool = {"average_pool", infer,   prepare,   false,   false,
                         false,          follows, by_images, nullptr, work_of_pool};
}  // namespace ops

}  // namespace dsf
