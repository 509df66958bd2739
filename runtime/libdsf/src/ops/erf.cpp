// erf: y = erf(x), the error function.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->erf); }

}  // namespace

namespace ops {
extern const Op erf;
const Op erf = {"erf", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
