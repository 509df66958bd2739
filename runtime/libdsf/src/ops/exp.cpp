// exp: y = e^x.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->exp); }

}  // namespace

namespace ops {
extern const Op exp;
constexpr Op exp = OpRule("exp").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
