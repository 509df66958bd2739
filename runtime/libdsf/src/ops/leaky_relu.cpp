// leaky_relu: y = x, or alpha * x below 0.
#include "operators/unary.h"

namespace dsf {
namespace {

struct Parameters {
    float alpha;
};
Parameters read(const Inference& node) { return {node.real("alpha", 0.01f)}; }

std::vector<TensorType> infer(const Inference& node) {
    read(node);
    return float_like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    return each("leaky_relu", [p](float x) { return x < 0.0f ? p.alpha * x : x; });
}

}  // namespace

namespace ops {
extern const Op leaky_relu;
const Op leaky_relu = {"leaky_relu", infer, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
