// hard_swish: y = x * max(0, min(1, x / 6 + 0.5)); NaN stays NaN.
#include "unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("hard_swish", [](float x) { return x * unit(x * (1.0f / 6.0f) + 0.5f); });
}

}  // namespace

namespace ops {
extern const Op hard_swish;
const Op hard_swish = {"hard_swish", float_like_input, prepare, false, true, false, elements};
}  // namespace ops

}  // namespace dsf
