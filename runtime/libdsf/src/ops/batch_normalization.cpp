// batch_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias, for each channel (axis 1).
#include <cmath>

#include "parallel.h"
#include "rules.h"

namespace dsf {
namespace {

class BatchNormalizationKernel final : public Kernel {
public:
    explicit BatchNormalizationKernel(float epsilon) : epsilon_(epsilon) {}
    const char* name() const override { return "batch_normalization"; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t channels = shape[1], plane = product(shape, 2, shape.rank);
        const float* scale = run.inputs[1].as<const float>();
        const float* bias = run.inputs[2].as<const float>();
        const float* mean = run.inputs[3].as<const float>();
        const float* variance = run.inputs[4].as<const float>();
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
    float epsilon_;
};

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(5, 5);
    node.expect_outputs(1, 1);
    node.expect_rank(0, 2, MAX_RANK);
    node.real("epsilon", 1e-5f);
    const TensorType& x = node.input(0);
    const char* meanings[] = {"x", "scale", "bias", "mean", "var"};
    for (int i = 0; i < 5; ++i) {
        node.expect_float(i);
        if (i > 0) expect_shape(node, i, node.shape({x.shape[1]}), meanings[i]);
    }
    return {x};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    return std::make_unique<BatchNormalizationKernel>(preparation.attributes().real("epsilon", 1e-5f));
}

}  // namespace

namespace ops {
extern const Op batch_normalization;
const Op batch_normalization = {"batch_normalization", infer, prepare, false, true};
}  // namespace ops

}  // namespace dsf
