// mul: y = a * b, broadcast.
#include "kernels/isa.h"
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary_rows(preparation, "mul", isa().array->multiply);
}

}  // namespace

namespace ops {
extern const Op mul;
constexpr Op mul = OpRule("mul").inputs(2).shapes(broadcast).float32(prepare).elementwise().joins_as(Joins::product);
}  // namespace ops

}  // namespace dsf
