// y = (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from an axis on.
#include "layer_normalization.h"

#include <cmath>

#include "kernels/isa.h"
#include "parallel.h"

namespace dsf {
namespace {

class LayerNormalizationKernel final : public Kernel {
public:
    LayerNormalizationKernel(int axis, float epsilon, int bias) : axis_(axis), epsilon_(epsilon), bias_(bias) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t row = product(shape, axis_, shape.rank);
        const float* scale = run.inputs[1].as<const float>();
        const float* bias = bias_ >= 0 ? run.inputs[bias_].as<const float>() : nullptr;
        for_items(run.threads, product(shape, 0, axis_), row, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const float* x = run.inputs[0].as<const float>() + item * row;
                float* y = run.outputs[0].as<float>() + item * row;
                const float mean = static_cast<float>(isa().array->sum(x, row) / static_cast<double>(row));
                const double variance = isa().array->sum_squares(x, mean, row) / static_cast<double>(row);
                const float factor = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon_)));
                isa().array->normalize(x, mean, factor, scale, bias, y, row);
            }
        });
    }

private:
    int axis_;
    float epsilon_;
    int bias_;
};

}  // namespace

std::unique_ptr<Kernel> layer_normalization_kernel(int axis, float epsilon, int bias) {
    return std::make_unique<LayerNormalizationKernel>(axis, epsilon, bias);
}

}  // namespace dsf
