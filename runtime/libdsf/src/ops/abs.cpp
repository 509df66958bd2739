// abs: y = |x|.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("abs", [](float x) { return std::fabs(x); });
}

}  // namespace

namespace ops {
extern const Op abs;
const Op abs = {"abs", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
