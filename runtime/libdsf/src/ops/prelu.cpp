// prelu: y = x, or slope * x below 0; slope broadcasts to x.
#include "operators/binary.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    const std::vector<TensorType> types = infer_binary(node);
    if (!(types[0].shape == node.input(0).shape))
        node.refuse("slope has shape " + node.input(1).shape.text(),
                    "one that broadcasts to x, " + node.input(0).shape.text());
    return types;
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary(preparation, "prelu", [](float x, float slope) { return x < 0.0f ? slope * x : x; });
}

}  // namespace

namespace ops {
extern const Op prelu;
const Op prelu = {"prelu", infer, prepare, false, true, false, elements, by_elements};
}  // namespace ops

}  // namespace dsf
