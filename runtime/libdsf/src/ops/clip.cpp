// clip: y = min(max(x, min), max); an absent bound is none; NaN stays NaN.
#include <limits>

#include "unary.h"

namespace dsf {
namespace {

struct Parameters {
    float low, high;
};
Parameters read(const Inference& node) {
    const float infinity = std::numeric_limits<float>::infinity();
    return {node.real("min", -infinity), node.real("max", infinity)};
}

std::vector<TensorType> infer(const Inference& node) {
    read(node);
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
