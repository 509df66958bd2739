// floor: the largest whole number that is not above x.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("floor", [](float x) { return std::floor(x); });
}

}  // namespace

namespace ops {
extern const Op floor;
constexpr Op floor = OpRule("floor").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
