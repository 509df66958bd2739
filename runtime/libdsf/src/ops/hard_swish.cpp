// hard_swish: y = x * max(0, min(1, x / 6 + 0.5)); NaN stays NaN.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->hard_swish); }

Epilogue activation(const Inference&) { return Epilogue::of(Epilogue::Activation::hard_swish); }

}  // namespace

namespace ops {
extern const Op hard_swish;
constexpr Op hard_swish =
    OpRule("hard_swish").shapes(like_input).float32(prepare).elementwise().joins_as(Joins::activation, activation);
}  // namespace ops

}  // namespace dsf
