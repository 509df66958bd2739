// softmax: y = e^x / sum(e^x) along axis.
#include "operators/softmax.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const int axis = preparation.attributes().axis("axis", -1, preparation.inputs[0]->shape.rank);
    return softmax_kernel(axis, Softmax::plain);
}

}  // namespace

namespace ops {
extern const Op softmax;
constexpr Op softmax = OpRule("softmax").shapes(along_axis).float32(prepare).in_place().each_image(beside_axis<-1>);
}  // namespace ops

}  // namespace dsf
