// div: y = a / b, broadcast.
#include "binary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary(preparation, "div", [](float a, float b) { return a / b; });
}

}  // namespace

namespace ops {
extern const Op div;
const Op div = {"div", infer_binary, prepare, false, true, false, elements};
}  // namespace ops

}  // namespace dsf
