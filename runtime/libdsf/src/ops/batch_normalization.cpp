// batch_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias, for each channel (axis 1).
#include "operators/batch_normalization.h"
#include "op_rule.h"

namespace dsf {
namespace {

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 2, MAX_RANK);
    node.real("epsilon", 1e-5f);
    const Shape channels = node.shape({node.input(0).shape[1]});
    const char* meanings[] = {"x", "scale", "bias", "mean", "var"};
    for (int i = 1; i < 5; ++i) expect_shape(node, i, channels, meanings[i]);
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const float epsilon = preparation.attributes().real("epsilon", 1e-5f);
    return preparation.channels_last ? batch_normalization_last_kernel(epsilon) : batch_normalization_kernel(epsilon);
}

}  // namespace

namespace ops {
extern const Op batch_normalization;
constexpr Op batch_normalization = OpRule("batch_normalization")
                                       .inputs(5)
                                       .shapes(shapes)
                                       .float32(prepare)
                                       .in_place()
                                       .channels_last(follows)
                                       .each_image(by_images);
}  // namespace ops

}  // namespace dsf
