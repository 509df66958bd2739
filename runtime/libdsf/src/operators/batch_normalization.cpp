// y = (x - mean) / sqrt(var + epsilon) * scale + bias, for each channel.
#include "batch_normalization.h"

#include <cmath>

#include "parallel.h"

namespace dsf {
namespace {

class BatchNormalizationKernel final : public Kernel {
public:
    explicit BatchNormalizationKernel(float epsilon) : epsilon_(epsilon) {}
    const char* name() const override { return "batch_normalization"; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t channels = shape[1], plane = product(shape, 2, shape.rank);
        const float *scale = run.inputs[1].as<const float>(), *bias = run.inputs[2].as<const float>();
        const float *mean = run.inputs[3].as<const float>(), *variance = run.inputs[4].as<const float>();
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

class BatchNormalizationLastKernel final : public Kernel {
public:
    explicit BatchNormalizationLastKernel(float epsilon) : epsilon_(epsilon) {}
    const char* name() const override { return "batch_normalization"; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t channels = shape[1], pixels = shape[0] * product(shape, 2, shape.rank);
        const float *scale = run.inputs[1].as<const float>(), *bias = run.inputs[2].as<const float>();
        const float *mean = run.inputs[3].as<const float>(), *variance = run.inputs[4].as<const float>();
        const int64_t blocks = (channels + BLOCK - 1) / BLOCK;
        for_items(run.threads, pixels, channels, [&](int64_t begin, int64_t end) {
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

private:
    static constexpr int64_t BLOCK = 128;  // channels at a time
    float epsilon_;
};

}  // namespace

std::unique_ptr<Kernel> batch_normalization_kernel(float epsilon) {
    return std::make_unique<BatchNormalizationKernel>(epsilon);
}

std::unique_ptr<Kernel> batch_normalization_last_kernel(float epsilon) {
    return std::make_unique<BatchNormalizationLastKernel>(epsilon);
}

}  // namespace dsf
