// tanh: y = tanh(x).
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->tanh); }

}  // namespace

namespace ops {
extern const Op tanh;
const Op tanh = {"tanh", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
