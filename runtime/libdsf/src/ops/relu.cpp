// relu: y = max(x, 0); NaN stays NaN.
#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    const auto clip = isa().array->clip;
    return pieces([clip](const float* x, float* y, int64_t count) { clip(x, 0.0f, INFINITY, y, count); });
}

Epilogue activation(const Inference&) { return Epilogue::of(Epilogue::Activation::relu); }

}  // namespace

namespace ops {
extern const Op relu;
constexpr Op relu =
    OpRule("relu").shapes(like_input).float32(prepare).elementwise().joins_as(Joins::activation, activation);
}  // namespace ops

}  // namespace dsf
