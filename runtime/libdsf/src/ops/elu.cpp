// elu: y = x, or alpha * (e^x - 1) below 0.
#include "operators/elu.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    node.real("alpha", 1.0f);
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return elu_kernel(preparation.attributes().real("alpha", 1.0f));
}

}  // namespace

namespace ops {
extern const Op elu;
constexpr Op elu = OpRule("elu").shapes(shapes).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
