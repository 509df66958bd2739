// tanh: y = tanh(x).
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->tanh); }

}  // namespace

namespace ops {
extern const Op tanh;
constexpr Op tanh = OpRule("tanh").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
