// clip: y = min(max(x, min), max); an absent bound is none, one that is NaN is refused; NaN stays NaN.
#include <limits>

#include "operators/unary.h"
#include "op_rule.h"

namespace dsf {
namespace {

struct Parameters {
    float low, high;
};
Parameters read(const Inference& node) {
    const float infinity = std::numeric_limits<float>::infinity();
    return {node.any_real("min", -infinity), node.any_real("max", infinity)};
}

std::vector<Shape> shapes(const Inference& node) {
    const Parameters p = read(node);
    if (p.low != p.low || p.high != p.high)
        node.refuse(std::string(p.low != p.low ? "min" : "max") + " is nan", "a number, which may be infinite");
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    const auto clip = isa().array->clip;
    return pieces([=](const float* x, float* y, int64_t count) { clip(x, p.low, p.high, y, count); });
}

Epilogue activation(const Inference& node) {
    const Parameters p = read(node);
    Epilogue epilogue = Epilogue::of(Epilogue::Activation::clip);
    epilogue.low = p.low;
    epilogue.high = p.high;
    return epilogue;
}

}  // namespace

namespace ops {
extern const Op clip;
constexpr Op clip =
    OpRule("clip").shapes(shapes).float32(prepare).elementwise().joins_as(Joins::activation, activation);
}  // namespace ops

}  // namespace dsf
