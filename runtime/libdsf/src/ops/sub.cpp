// sub: y = a - b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "sub", isa().array->subtract);
}

}  // namespace

namespace ops {
extern const Op sub;
const Op sub = {"sub", infer_binary, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
