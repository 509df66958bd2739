// reciprocal: y = 1 / x.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("reciprocal", [](float x) { return 1.0f / x; });
}

}  // namespace

namespace ops {
extern const Op reciprocal;
constexpr Op reciprocal = OpRule("reciprocal").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
