// log: y = ln(x); -inf at 0, NaN below.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<ArrayKernel>(isa().array->log); }

}  // namespace

namespace ops {
extern const Op log;
const Op log = {"log", float_like_input, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
