// div: y = a / b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "div", isa().array->divide);
}

}  // namespace

namespace ops {
extern const Op div;
const Op div = {"div", infer_binary, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
