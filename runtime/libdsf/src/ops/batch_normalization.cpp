// batch_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias, for each channel (axis 1).
#include <cmath>

#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class BatchNormalizationKernel final : public Kernel {
public:
    BatchNormalizationKernel(float epsilon, bool channels_last) : epsilon_(epsilon), channels_last_(channels_last) {}
    const char* name() const override { return "batch_normalization"; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t channels = shape[1], plane = product(shape, 2, shape.rank);
        const float* scale = run.inputs[1].as<const float>();
        const float* bias = run.inputs[2].as<const float>();
        const float* mean = run.inputs[3].as<const float>();
        const float* variance = run.inputs[4].as<const float>();
        if (channels_last_) return pixels(run, shape[0] * plane, channels);
        for_items(run.threads, shape[0] * channels, plane, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t c = item % channels;
                const float factor = scale[c] / std::sqrt(variance[c] + epsilon_), middle = mean[c], shift = bias[c];
                const float* x = run.inputs[0].as<const float>() + item * plane;
                float* y = run.outputs[0].as<float>() + item * plane;
                for (int64_t i = 0; i < plane; ++i) y[i] = (x[i] - middle) * factor + shift;
            }
        });
    }

private:
    void pixels(const Run& run, int64_t count, int64_t channels) const {
        const float *scale = run.inputs[1].as<const float>(), *bias = run.inputs[2].as<const float>();
        const float *mean = run.inputs[3].as<const float>(), *variance = run.inputs[4].as<const float>();
        const int64_t blocks = (channels + BLOCK - 1) / BLOCK;
        for_items(run.threads, count, channels, [&](int64_t begin, int64_t end) {
            for (int64_t block = 0; block < blocks; ++block) {
                const int64_t c0 = block * BLOCK, some = std::min(BLOCK, channels - c0);
                float factor[BLOCK];
                for (int64_t c = 0; c < some; ++c) factor[c] = scale[c0 + c] / std::sqrt(variance[c0 + c] + epsilon_);
                for (int64_t i = begin; i < end; ++i) {
                    const float* x = run.inputs[0].as<const float>() + i * channels + c0;
                    float* y = run.outputs[0].as<float>() + i * channels + c0;
                    for (int64_t c = 0; c < some; ++c) y[c] = (x[c] - mean[c0 + c]) * factor[c] + bias[c0 + c];
                }
            }
        });
    }

    static constexpr int64_t BLOCK = 128;  // channels at a time
    float epsilon_;
    bool channels_last_;
};

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 2, MAX_RANK);
    node.real("epsilon", 1e-5f);
    const Shape channels = node.shape({node.input(0).shape[1]});
    const char* meanings[] = {"x", "scale", "bias", "mean", "var"};
    for (int i = 1; i < 5; ++i) expect_shape(node, i, channels, meanings[i]);
    return like_input(node);
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return std::make_unique<BatchNormalizationKernel>(preparation.attributes().real("epsilon", 1e-5f),
                                                      preparation.channels_last);
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
