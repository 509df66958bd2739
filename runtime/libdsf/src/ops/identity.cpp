// identity: y = x.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const TensorType& x = node.input(0);
    return {x};
}

}  // namespace

namespace ops {
extern const Op identity;
const Op identity = {"identity", infer, prepare_view, false, false, true};
}  // namespace ops

}  // namespace dsf
