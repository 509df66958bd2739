// sub: y = a - b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "sub", isa().array->subtract);
}

}  // namespace

namespace ops {
extern const Op sub;
constexpr Op sub = OpRule("sub").inputs(2).shapes(broadcast).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
