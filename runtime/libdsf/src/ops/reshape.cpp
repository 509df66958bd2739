// reshape: x with another shape of as many elements.
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const Shape shape = output_shape(node, attribute_dimensions(node, "shape"));
    if (shape.elements() != x.elements())
        node.refuse("shape " + shape.text() + " for an input of " + x.text(), "as many elements as the input has");
    return {shape};
}

}  // namespace

namespace ops {
extern const Op reshape;
constexpr Op reshape = OpRule("reshape").shapes(shapes).every_dtype(prepare_view).view();
}  // namespace ops

}  // namespace dsf
