// log: y = ln(x); -inf at 0, NaN below.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->log); }

}  // namespace

namespace ops {
extern const Op log;
constexpr Op log = OpRule("log").shapes(like_input).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
