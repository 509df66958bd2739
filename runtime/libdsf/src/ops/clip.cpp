// clip: y = min(max(x, min), max); an absent bound is none, one that is NaN is refused; NaN stays NaN.
#include <limits>

#include "operators/unary.h"

namespace dsf {
namespace {

struct Parameters {
    float low, high;
};
Parameters read(const Inference& node) {
    const float infinity = std::numeric_limits<float>::infinity();
    return {node.any_real("min", -infinity), node.any_real("max", infinity)};
}

std::vector<TensorType> infer(const Inference& node) {
    const Parameters p = read(node);
    if (p.low != p.low || p.high != p.high)
        node.refuse(std::string(p.low != p.low ? "min" : "max") + " is nan", "a number, which may be infinite");
    return float_like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Parameters p = read(preparation.attributes());
    const auto clip = isa().array->clip;
    return pieces([=](const float* x, float* y, int64_t count) { clip(x, p.low, p.high, y, count); });
}

}  // namespace

namespace ops {
extern const Op clip;
const Op clip = {"clip", infer, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
