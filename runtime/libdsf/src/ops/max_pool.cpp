// max_pool: the largest of each window; NaN if there is one.
#include "pool.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) { return shapes_of_pool(node, Pooling::max); }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_pool(preparation, Pooling::max); }

}  // namespace

namespace ops {
extern const Op max_pool;
constexpr Op max_pool =
    OpRule("max_pool").shapes(shapes).float32(prepare).channels_last(follows).each_image(by_images).work(work_of_pool);
}  // namespace ops

}  // namespace dsf
