// cast: x as another dtype. Rounding and range: convert() in operators/element.h.
#include "operators/cast.h"
#include "op_rule.h"

namespace dsf {
namespace {

const Dtype TARGETS[] = {Dtype::float32, Dtype::int64, Dtype::int32, Dtype::uint8, Dtype::int8, Dtype::boolean};

TensorType type(const Inference& node, int, const Shape& shape) {
    const std::string to = node.text("to", "");
    for (Dtype target : TARGETS)
        if (to == name_of(target)) return {target, shape};
    node.refuse("to is '" + to + "'", "float32, int64, int32, uint8, int8 or bool");
}

std::unique_ptr<Kernel> prepare(const Preparation&) { return cast_kernel(); }

}  // namespace

namespace ops {
extern const Op cast;
constexpr Op cast = OpRule("cast").shapes(like_input).every_dtype(prepare).type(type).each_image(by_elements);
}  // namespace ops

}  // namespace dsf
