// floor: the largest whole number that is not above x.
#include "operators/unary.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation&) {
    return each("floor", [](float x) { return std::floor(x); });
}

}  // namespace

namespace ops {
extern const Op floor;
const Op floor = {"floor", float_like_input, prepare, false, true, false, nullptr, by_elements};
}  // namespace ops

}  // namespace dsf
