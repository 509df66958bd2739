// relu: y = max(x, 0); NaN stays NaN.
#include "unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("relu", [](float x) { return x < 0.0f ? 0.0f : x; });
}

}  // namespace

namespace ops {
extern const Op relu;
const Op relu = {"relu", float_like_input, prepare, false, true, false, elements};
}  // namespace ops

}  // namespace dsf
