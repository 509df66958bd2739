// Nearest or linear interpolation of the spatial axes.
#include "resize.h"

#include <cmath>

#include "parallel.h"

namespace dsf {
namespace {

// For each output position of one axis: the neighbours and the second one's share.
struct Axis {
    std::vector<int32_t> left, right;
    std::vector<float> share;

    size_t bytes() const { return (left.size() + right.size() + share.size()) * sizeof(int32_t); }
};

float coordinate(Coordinates coordinates, int64_t o, int64_t input, int64_t output, float scale) {
    const float at = static_cast<float>(o);
    switch (coordinates) {
        case Coordinates::align_corners:
            return output == 1 ? 0.0f : at * static_cast<float>(input - 1) / static_cast<float>(output - 1);
        case Coordinates::asymmetric:
            return at / scale;
        case Coordinates::pytorch_half_pixel:
            if (output == 1) return 0.0f;
            break;
        case Coordinates::half_pixel:
            break;
    }
    return (at + 0.5f) / scale - 0.5f;
}

float rounded(Nearest nearest, float at) {
    switch (nearest) {
        case Nearest::floor:
            return std::floor(at);
        case Nearest::ceil:
            return std::ceil(at);
        case Nearest::round_prefer_ceil:
            return std::floor(at + 0.5f);
        case Nearest::round_prefer_floor:
            break;
    }
    return std::ceil(at - 0.5f);
}

Axis nearest(Resizing resizing, int64_t input, int64_t output, float scale) {
    Axis axis;
    for (int64_t o = 0; o < output; ++o) {
        const float at = rounded(resizing.nearest, coordinate(resizing.coordinates, o, input, output, scale));
        const float last = static_cast<float>(input - 1);
        axis.left.push_back(static_cast<int32_t>(at >= last ? last : at > 0.0f ? at : 0.0f));
    }
    return axis;
}

Axis linear(Resizing resizing, int64_t input, int64_t output, float scale) {
    Axis axis;
    for (int64_t o = 0; o < output; ++o) {
        const float found = coordinate(resizing.coordinates, o, input, output, scale);
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

}  // namespace

std::unique_ptr<Kernel> resize_kernel(const Shape& x, const Shape& y, const std::vector<float>& scales,
                                      Resizing resizing) {
    const bool is_linear = resizing.interpolation == Interpolation::linear;
    const auto axis = [&](int i) {
        const float scale = scales[static_cast<size_t>(i)];
        return is_linear ? linear(resizing, x[i], y[i], scale) : nearest(resizing, x[i], y[i], scale);
    };
    const Axis one = is_linear ? Axis{{0}, {0}, {0.0f}} : Axis{{0}, {}, {}};
    if (x.rank == 3) return std::make_unique<ResizeKernel>(one, axis(2), 1, x[2]);
    return std::make_unique<ResizeKernel>(axis(2), axis(3), x[2], x[3]);
}

}  // namespace dsf
