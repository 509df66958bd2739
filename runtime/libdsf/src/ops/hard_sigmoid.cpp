// hard_sigmoid: y = max(0, min(1, alpha * x + beta)); NaN stays NaN.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

struct Parameters {
    float alpha, beta;
};
Parameters read(const Inference& node) { return {node.real("alpha", 0.2f), node.real("beta", 0.5f)}; }

std::vector<Shape> shapes(const Inference& node) {
    read(node);
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    return each("hard_sigmoid", [p](float x) { return unit(p.alpha * x + p.beta); });
}

}  // namespace

namespace ops {
extern const Op hard_sigmoid;
constexpr Op hard_sigmoid = OpRule("hard_sigmoid").shapes(shapes).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
