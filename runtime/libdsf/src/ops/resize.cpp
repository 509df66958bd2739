// resize: nearest or linear interpolation of the spatial axes.
//
// Coordinates are computed in float32, as ONNX Runtime does: at a tie between two neighbours the rounding decides.
// align_corners divides by the whole length of the result less one, also where input * scale is no whole number.
#include <cmath>

#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

// For each output position of one axis: the neighbours and the second one's share.
struct Axis {
    std::vector<int32_t> left, right;
    std::vector<float> share;

    size_t bytes() const { return (left.size() + right.size() + share.size()) * sizeof(int32_t); }
};

const char* const TRANSFORMATIONS[] = {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"};
const char* const ROUNDINGS[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

float coordinate(const std::string& transformation, int64_t o, int64_t input, int64_t output, float scale) {
    const float at = static_cast<float>(o);
    if (transformation == "align_corners")
        return output == 1 ? 0.0f : at * static_cast<float>(input - 1) / static_cast<float>(output - 1);
    if (transformation == "asymmetric") return at / scale;
    if (transformation == "pytorch_half_pixel" && output == 1) return 0.0f;
    return (at + 0.5f) / scale - 0.5f;
}

float rounded(const std::string& rounding, float at) {
    if (rounding == "floor") return std::floor(at);
    if (rounding == "ceil") return std::ceil(at);
    if (rounding == "round_prefer_ceil") return std::floor(at + 0.5f);
    return std::ceil(at - 0.5f);
}

Axis nearest(const std::string& transformation, const std::string& rounding, int64_t input, int64_t output,
             float scale) {
    Axis axis;
    for (int64_t o = 0; o < output; ++o) {
        const float at = rounded(rounding, coordinate(transformation, o, input, output, scale));
        const float last = static_cast<float>(input - 1);
        axis.left.push_back(static_cast<int32_t>(at >= last ? last : at > 0.0f ? at : 0.0f));
    }
    return axis;
}

Axis linear(const std::string& transformation, int64_t input, int64_t output, float scale) {
    Axis axis;
    for (int64_t o = 0; o < output; ++o) {
        const float found = coordinate(transformation, o, input, output, scale);
        const float last = static_cast<float>(input - 1);
        const float at = found >= last ? last : found > 0.0f ? found : 0.0f;
        const int32_t left = static_cast<int32_t>(at);
        axis.left.push_back(left);
        axis.right.push_back(static_cast<int32_t>(std::min<int64_t>(left + 1, input - 1)));
        axis.share.push_back(at - static_cast<float>(left));
    }
    return axis;
}

class ResizeKernel final : public Kernel {
public:
    ResizeKernel(Axis y, Axis x, int64_t input_y, int64_t input_x)
        : y_(std::move(y)), x_(std::move(x)), input_y_(input_y), input_x_(input_x) {}
    const char* name() const override { return "resize"; }
    size_t table_bytes() const override { return y_.bytes() + x_.bytes(); }

    void run(const Run& run) const override {
        const int64_t rows = static_cast<int64_t>(y_.left.size()), columns = static_cast<int64_t>(x_.left.size());
        const int64_t total = run.outputs[0].type.shape.elements() / columns;
        for_items(run.threads, total, columns * 4, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const size_t row = static_cast<size_t>(item % rows);
                const float* plane = run.inputs[0].as<const float>() + item / rows * input_y_ * input_x_;
                const float* upper = plane + y_.left[row] * input_x_;
                float* to = run.outputs[0].as<float>() + item * columns;
                if (x_.right.empty())
                    for (size_t i = 0; i < x_.left.size(); ++i) to[i] = upper[x_.left[i]];
                else blend(upper, plane + y_.right[row] * input_x_, y_.share[row], to);
            }
        });
    }

private:
    void blend(const float* upper, const float* lower, float down, float* to) const {
        const float up = 1.0f - down;
        for (size_t i = 0; i < x_.left.size(); ++i) {
            const int32_t left = x_.left[i], right = x_.right[i];
            const float second = x_.share[i], first = 1.0f - second;
            to[i] = first * up * upper[left] + second * up * upper[right] + first * down * lower[left] +
                    second * down * lower[right];
        }
    }

    Axis y_, x_;
    int64_t input_y_, input_x_;
};

bool one_of(const std::string& text, const char* const (&names)[4]) {
    for (const char* name : names)
        if (text == name) return true;
    return false;
}

std::vector<Shape> shapes(const Inference& node) {
    node.expect_rank(0, 3, 4);
    const Shape& x = node.input(0).shape;
    const std::vector<int64_t> sizes = attribute_dimensions(node, "sizes");
    if (sizes.size() != static_cast<size_t>(x.rank) || sizes[0] != x[0] || sizes[1] != x[1])
        node.refuse("sizes is not the input's batch and channels and new spatial dimensions",
                    std::to_string(x.rank) + " entries, the first two as in " + x.text());
    const std::vector<float> scales = node.reals("scales");
    if (scales.size() != sizes.size()) node.refuse("scales differs in length from sizes", "one entry an axis");
    for (float scale : scales)
        if (!(scale > 0.0f) || !std::isfinite(scale))
            node.refuse("scales has the entry " + std::to_string(scale), "finite numbers above 0");
    if (scales[0] != 1.0f || scales[1] != 1.0f) node.refuse("scales changes the batch or the channels", "1.0 for both");
    const std::string mode = node.text("mode", "nearest");
    if (mode != "nearest" && mode != "linear") node.refuse("mode is '" + mode + "'", "'nearest' or 'linear'");
    const std::string transformation = node.text("coordinate_transformation_mode", "half_pixel");
    if (!one_of(transformation, TRANSFORMATIONS))
        node.refuse("coordinate_transformation_mode is '" + transformation + "'",
                    "half_pixel, align_corners, asymmetric or pytorch_half_pixel");
    const std::string rounding = node.text("nearest_mode", "round_prefer_floor");
    if (!one_of(rounding, ROUNDINGS))
        node.refuse("nearest_mode is '" + rounding + "'", "round_prefer_floor, round_prefer_ceil, floor or ceil");
    return {output_shape(node, sizes)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference node = preparation.attributes();
    const Shape &x = preparation.inputs[0]->shape, &y = preparation.outputs[0].shape;
    const std::vector<float> scales = node.reals("scales");
    const std::string transformation = node.text("coordinate_transformation_mode", "half_pixel");
    const std::string rounding = node.text("nearest_mode", "round_prefer_floor");
    const bool is_linear = node.text("mode", "nearest") == "linear";
    const auto axis = [&](int i) {
        const float scale = scales[static_cast<size_t>(i)];
        return is_linear ? linear(transformation, x[i], y[i], scale)
                         : nearest(transformation, rounding, x[i], y[i], scale);
    };
    const Axis one = is_linear ? Axis{{0}, {0}, {0.0f}} : Axis{{0}, {}, {}};
    if (x.rank == 3) return std::make_unique<ResizeKernel>(one, axis(2), 1, x[2]);
    return std::make_unique<ResizeKernel>(axis(2), axis(3), x[2], x[3]);
}

}  // namespace

namespace ops {
extern const Op resize;
constexpr Op resize = OpRule("resize").shapes(shapes).float32(prepare).each_image(by_images);
}  // namespace ops

}  // namespace dsf
