// neg: y = -x.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("neg", [](float x) { return -x; });
}

}  // namespace

namespace ops {
extern const Op neg;
const Op neg = {"neg", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
