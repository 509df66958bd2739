// log_softmax: y = x - log(sum(e^x)) along axis.
#include "operators/softmax.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const int axis = preparation.attributes().axis("axis", -1, preparation.inputs[0]->shape.rank);
    return softmax_kernel(axis, Softmax::logarithm);
}

}  // namespace

namespace ops {
extern const Op log_softmax;
constexpr Op log_softmax =
    OpRule("log_softmax").shapes(along_axis).float32(prepare).in_place().each_image(beside_axis<-1>);
}  // namespace ops

}  // namespace dsf
