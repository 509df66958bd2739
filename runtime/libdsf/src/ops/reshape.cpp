// reshape: x with another shape of as many elements.
#include "operators/copy.h"

namespace dsf {
namespace {

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const TensorType& x = node.input(0);
    const Shape shape = output_shape(node, attribute_dimensions(node, "shape"));
    if (shape.elements() != x.shape.elements())
        node.refuse("shape " + shape.text() + " for an input of " + x.shape.text(),
                    "as many elements as the input has");
    return {{x.dtype, shape}};
}

}  // namespace

namespace ops {
extern const Op reshape;
const Op reshape = {"reshape", infer, prepare_view, false, false, true};
}  // namespace ops

}  // namespace dsf
