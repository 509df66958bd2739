// pow: y = a^b, broadcast; a square is one multiplication.
#include "operators/binary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary(preparation, "pow", [](float a, float b) { return b == 2.0f ? a * a : std::pow(a, b); });
}

}  // namespace

namespace ops {
extern const Op pow;
const Op pow = {"pow", infer_binary, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
