// pow: y = a^b, broadcast; a square is one multiplication.
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary(preparation, "pow", [](float a, float b) { return b == 2.0f ? a * a : std::pow(a, b); });
}

}  // namespace

namespace ops {
extern const Op pow;
constexpr Op pow = OpRule("pow").inputs(2).shapes(broadcast).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
