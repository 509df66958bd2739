// pad: x with elements put around it: one value, a reflection without the edge itself, or the edge repeated.
#include <cstring>

#include "operators/element.h"
#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class PadKernel final : public Kernel {
public:
    // maps_[axis][i] is where element i of y's axis comes from in x, or -1: the value.
    PadKernel(std::vector<std::vector<int32_t>> maps, float value) : maps_(std::move(maps)), value_(value) {}
    const char* name() const override { return "pad"; }
    size_t table_bytes() const override {
        size_t bytes = 0;
        for (const std::vector<int32_t>& map : maps_) bytes += map.size() * sizeof(int32_t);
        return bytes;
    }

    void run(const Run& run) const override {
        with_type(run.outputs[0].type.dtype, [&](auto type) { pad<decltype(type)>(run); });
    }

private:
    template <class T> void pad(const Run& run) const {
        const Shape &x = run.inputs[0].shape(), &y = run.outputs[0].shape();
        T value{};
        if constexpr (!std::is_same_v<T, Half>) value = convert<T>(value_);
        const int inner = y.rank - 1;
        const std::vector<int32_t>& map = maps_.back();
        for_items(run.threads, product(y, 0, inner), y[inner], [&](int64_t begin, int64_t end) {
            for (int64_t row = begin; row < end; ++row) {
                int64_t rest = row, from = 0, stride = x[inner];
                bool outside = false;
                for (int axis = inner; axis-- > 0; rest /= y[axis]) {
                    const int32_t at = maps_[static_cast<size_t>(axis)][static_cast<size_t>(rest % y[axis])];
                    outside |= at < 0;
                    from += at * stride;
                    stride *= x[axis];
                }
                T* to = run.outputs[0].as<T>() + row * y[inner];
                const T* source = run.inputs[0].as<const T>() + (outside ? 0 : from);
                for (int64_t i = 0; i < y[inner]; ++i) {
                    const int32_t at = map[static_cast<size_t>(i)];
                    to[i] = outside || at < 0 ? value : source[at];
                }
            }
        });
    }

    std::vector<std::vector<int32_t>> maps_;
    float value_;
};

std::vector<Shape> shapes(const Inference& node) {
    const TensorType& x = node.input(0);
    const std::vector<int64_t> pads = node.integers("pads");
    const std::string mode = node.text("mode", "constant");
    if (mode != "constant" && mode != "reflect" && mode != "edge")
        node.refuse("mode is '" + mode + "'", "'constant', 'reflect' or 'edge'");
    const float value = node.any_real("value", 0.0f);
    if (!holds(x.dtype, value))
        node.refuse("value is " + std::to_string(value) + " for " + name_of(x.dtype),
                    x.dtype == Dtype::float16 ? "0" : std::string("a value of dtype ") + name_of(x.dtype));
    if (x.shape.rank == 0 || pads.size() != 2 * static_cast<size_t>(x.shape.rank))
        node.refuse("pads has " + std::to_string(pads.size()) + " entries for an input of " + x.shape.text(),
                    "two for each axis of an input of rank 1 or more");
    std::vector<int64_t> dims = dims_of(x.shape);
    for (size_t i = 0; i < pads.size(); ++i) {
        const size_t axis = i % dims.size();
        const int64_t most = mode == "reflect" ? x.shape.dims[axis] - 1 : MAX_DIM;
        if (pads[i] < 0 || pads[i] > most)
            node.refuse("pads has the entry " + std::to_string(pads[i]), "0 to " + std::to_string(most));
        dims[axis] += pads[i];
    }
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    const std::vector<int64_t> pads = attributes.integers("pads");
    const std::string mode = attributes.text("mode", "constant");
    const Shape &x = preparation.inputs[0]->shape, &y = preparation.outputs[0].shape;
    std::vector<std::vector<int32_t>> maps;
    for (int axis = 0; axis < y.rank; ++axis) {
        std::vector<int32_t> map;
        for (int64_t i = 0; i < y[axis]; ++i) {
            int64_t at = i - pads[static_cast<size_t>(axis)];
            if (at < 0) at = mode == "edge" ? 0 : mode == "reflect" ? -at : -1;
            else if (at >= x[axis]) at = mode == "edge" ? x[axis] - 1 : mode == "reflect" ? 2 * (x[axis] - 1) - at : -1;
            map.push_back(static_cast<int32_t>(at));
        }
        maps.push_back(std::move(map));
    }
    return std::make_unique<PadKernel>(std::move(maps), attributes.any_real("value", 0.0f));
}

bool each_image(const Inference& node, const BatchAxes& batch) {
    const std::vector<int64_t> pads = node.integers("pads");
    const size_t axis = static_cast<size_t>(batch[0]);
    return pads[axis] == 0 && pads[pads.size() / 2 + axis] == 0;
}

}  // namespace

namespace ops {
extern const Op pad;
constexpr Op pad = OpRule("pad").shapes(shapes).every_dtype(prepare).each_image(each_image);
}  // namespace ops

}  // namespace dsf
