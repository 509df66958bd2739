// relu: y = max(x, 0); NaN stays NaN.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    const auto clip = isa().array->clip;
    return pieces([clip](const float* x, float* y, int64_t count) { clip(x, 0.0f, INFINITY, y, count); });
}

}  // namespace

namespace ops {
extern const Op relu;
const Op relu = {"relu", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
