// gelu: y = x / 2 * (1 + erf(x / sqrt(2))), or with approximate="tanh" its approximation by tanh.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const std::string approximate = node.text("approximate", "none");
    if (approximate != "none" && approximate != "tanh")
        node.refuse("approximate is '" + approximate + "'", "'none' or 'tanh'");
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const bool tanh = preparation.attributes().text("approximate", "none") == "tanh";
    return std::make_unique<ArrayKernel>(tanh ? isa().array->gelu_tanh : isa().array->gelu);
}

}  // namespace

namespace ops {
extern const Op gelu;
constexpr Op gelu = OpRule("gelu").shapes(shapes).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
