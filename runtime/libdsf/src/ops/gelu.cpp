// gelu: y = x / 2 * (1 + erf(x / sqrt(2))), or with approximate="tanh" its approximation by tanh.
#include "operators/unary.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    const std::string approximate = node.text("approximate", "none");
    if (approximate != "none" && approximate != "tanh")
        node.refuse("approximate is '" + approximate + "'", "'none' or 'tanh'");
    return float_like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const bool tanh = preparation.attributes().text("approximate", "none") == "tanh";
    return std::make_unique<ArrayKernel>(tanh ? isa().array->gelu_tanh : isa().array->gelu);
}

}  // namespace

namespace ops {
extern const Op gelu;
const Op gelu = {"gelu", infer, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
