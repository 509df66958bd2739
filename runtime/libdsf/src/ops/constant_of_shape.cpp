// constant_of_shape: a tensor of one value.
#include "operators/constant_of_shape.h"
#include "operators/element.h"
#include "op_rule.h"

namespace dsf {
namespace {

const Dtype CANDIDATES[] = {Dtype::float32, Dtype::int64, Dtype::int32, Dtype::uint8, Dtype::int8, Dtype::boolean};

std::vector<Shape> shapes(const Inference& node) { return {output_shape(node, attribute_dimensions(node, "shape"))}; }

TensorType type(const Inference& node, int, const Shape& shape) {
    const float value = node.any_real("value", 0.0f);
    const std::string dtype = node.text("dtype", "float32");
    for (Dtype candidate : CANDIDATES) {
        if (dtype != name_of(candidate)) continue;
        if (!holds(candidate, value)) node.refuse("value is " + std::to_string(value), "a value of dtype " + dtype);
        return {candidate, shape};
    }
    node.refuse("dtype is '" + dtype + "'", "float32, int64, int32, uint8, int8 or bool");
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return constant_of_shape_kernel(preparation.attributes().any_real("value", 0.0f));
}

bool each_image(const Inference&, const BatchAxes&) { return true; }

}  // namespace

namespace ops {
extern const Op constant_of_shape;
constexpr Op constant_of_shape =
    OpRule("constant_of_shape").inputs(0).shapes(shapes).every_dtype(prepare).type(type).each_image(each_image);
}  // namespace ops

}  // namespace dsf
