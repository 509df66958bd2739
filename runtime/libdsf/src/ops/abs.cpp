// abs: y = |x|.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("abs", [](float x) { return std::fabs(x); });
}

}  // namespace

namespace ops {
extern const Op abs;
constexpr Op abs = OpRule("abs").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
