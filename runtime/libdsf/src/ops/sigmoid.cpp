// sigmoid: y = 1 / (1 + e^-x).
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->sigmoid); }

Epilogue activation(const Inference&) { return Epilogue::of(Epilogue::Activation::silu); }

}  // namespace

namespace ops {
extern const Op sigmoid;
constexpr Op sigmoid =
    OpRule("sigmoid").shapes(like_input).float32(prepare).elementwise().joins_as(Joins::gate, activation);
}  // namespace ops

}  // namespace dsf
