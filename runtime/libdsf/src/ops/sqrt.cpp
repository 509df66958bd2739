// sqrt: y = sqrt(x); NaN below 0.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("sqrt", [](float x) { return std::sqrt(x); });
}

}  // namespace

namespace ops {
extern const Op sqrt;
constexpr Op sqrt = OpRule("sqrt").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
