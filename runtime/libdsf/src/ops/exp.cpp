// exp: y = e^x.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->exp); }

}  // namespace

namespace ops {
extern const Op exp;
const Op exp = {"exp", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
