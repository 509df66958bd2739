// layer_normalization: y = (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from axis on.
#include <cmath>

#include "kernels/isa.h"
#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class LayerNormalizationKernel final : public Kernel {
public:
    LayerNormalizationKernel(int axis, float epsilon, bool has_bias)
        : axis_(axis), epsilon_(epsilon), has_bias_(has_bias) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t row = product(shape, axis_, shape.rank);
        const float* scale = run.inputs[1].as<const float>();
        const float* bias = has_bias_ ? run.inputs[2].as<const float>() : nullptr;
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
    bool has_bias_;
};

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", -1, x.rank);
    node.real("epsilon", 1e-5f);
    const std::vector<int64_t> dims = dims_of(x);
    const Shape normalized = node.shape(std::vector<int64_t>(dims.begin() + axis, dims.end()));
    expect_shape(node, 1, normalized, "scale");
    if (node.has(2)) expect_shape(node, 2, normalized, "bias");
    return {x};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    const int axis = attributes.axis("axis", -1, preparation.inputs[0]->shape.rank);
    const bool has_bias = preparation.inputs.size() > 2 && preparation.inputs[2] != nullptr;
    return std::make_unique<LayerNormalizationKernel>(axis, attributes.real("epsilon", 1e-5f), has_bias);
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    return batch[0] >= 0 && batch[0] < node.axis("axis", -1, node.input(0).shape.rank) && batch[1] < 0 &&
           (!node.has(2) || batch[2] < 0);
}

}  // namespace

namespace ops {
extern const Op layer_normalization;
constexpr Op layer_normalization =
    OpRule("layer_normalization").inputs(2, 3).shapes(shapes).float32(prepare).in_place().each_image(each_image);
}  // namespace ops

}  // namespace dsf
