// leaky_relu: y = x, or alpha * x below 0.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

struct Parameters {
    float alpha;
};
Parameters read(const Inference& node) { return {node.real("alpha", 0.01f)}; }

std::vector<Shape> shapes(const Inference& node) {
    read(node);
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    return each("leaky_relu", [p](float x) { return x < 0.0f ? p.alpha * x : x; });
}

}  // namespace

namespace ops {
extern const Op leaky_relu;
constexpr Op leaky_relu = OpRule("leaky_relu").shapes(shapes).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
