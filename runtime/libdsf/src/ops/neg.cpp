// neg: y = -x.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("neg", [](float x) { return -x; });
}

}  // namespace

namespace ops {
extern const Op neg;
constexpr Op neg = OpRule("neg").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
