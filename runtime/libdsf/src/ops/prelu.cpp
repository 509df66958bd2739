// prelu: y = x, or slope * x below 0; slope broadcasts to x.
#include "operators/binary.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const std::vector<Shape> shapes = broadcast(node);
    if (shapes[0] != node.input(0).shape)
        node.refuse("slope has shape " + node.input(1).shape.text(),
                    "one that broadcasts to x, " + node.input(0).shape.text());
    return shapes;
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return binary(preparation, "prelu", [](float x, float slope) { return x < 0.0f ? slope * x : x; });
}

}  // namespace

namespace ops {
extern const Op prelu;
constexpr Op prelu = OpRule("prelu").inputs(2).shapes(shapes).float32(prepare).elementwise();
}  // namespace ops

}  // namespace dsf
