// div: y = a / b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "div", isa().array->divide);
}

}  // namespace

namespace ops {
extern const Op div;
constexpr Op div = OpRule("div").inputs(2).shapes(broadcast).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
