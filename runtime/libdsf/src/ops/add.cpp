// add: y = a + b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "add", isa().array->add);
}

}  // namespace

namespace ops {
extern const Op add;
constexpr Op add = OpRule("add").inputs(2).shapes(broadcast).float32(prepare).elementwise().joins_as(Joins::sum);
}  // namespace ops

}  // namespace dsf
