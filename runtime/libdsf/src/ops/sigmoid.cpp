// sigmoid: y = 1 / (1 + e^-x).
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->sigmoid); }

}  // namespace

namespace ops {
extern const Op sigmoid;
const Op sigmoid = {"sigmoid", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
