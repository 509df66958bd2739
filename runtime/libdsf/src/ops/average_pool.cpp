// average_pool: the mean of each window, with or without the padding.
#include "pool.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) { return shapes_of_pool(node, Pooling::average); }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) { return prepare_pool(preparation, Pooling::average); }

}  // namespace

namespace ops {
extern const Op average_pool;
constexpr Op average_pool = OpRule("average_pool")
                                .shapes(shapes)
                                .float32(prepare)
                                .channels_last(follows)
                                .each_image(by_images)
                                .work(work_of_pool);
}  // namespace ops

}  // namespace dsf
