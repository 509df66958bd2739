// hard_swish: y = x * max(0, min(1, x / 6 + 0.5)); NaN stays NaN.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->hard_swish); }

}  // namespace

namespace ops {
extern const Op hard_swish;
const Op hard_swish = {"hard_swish", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
