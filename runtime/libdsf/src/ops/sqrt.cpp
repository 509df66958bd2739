// sqrt: y = sqrt(x); NaN below 0.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("sqrt", [](float x) { return std::sqrt(x); });
}

}  // namespace

namespace ops {
extern const Op sqrt;
const Op sqrt = {"sqrt", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
