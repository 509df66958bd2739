// reciprocal: y = 1 / x.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("reciprocal", [](float x) { return 1.0f / x; });
}

}  // namespace

namespace ops {
extern const Op reciprocal;
const Op reciprocal = {"reciprocal", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
