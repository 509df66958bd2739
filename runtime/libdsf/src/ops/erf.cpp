// erf: y = erf(x), the error function.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->erf); }

}  // namespace

namespace ops {
extern const Op erf;
constexpr Op erf = OpRule("erf").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
