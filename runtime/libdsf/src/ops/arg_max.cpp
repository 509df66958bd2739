// arg_max: where the largest element along axis is; NaN counts as the largest. Of equals the first, or the last.
#include "operators/element.h"
#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class ArgMaxKernel final : public Kernel {
public:
    ArgMaxKernel(int axis, bool last) : axis_(axis), last_(last) {}
    const char* name() const override { return "arg_max"; }

    void run(const Run& run) const override {
        const Shape& x = run.inputs[0].shape();
        const int64_t length = x[axis_], inner = product(x, axis_ + 1, x.rank), outer = product(x, 0, axis_);
        with_type(run.inputs[0].type.dtype, [&](auto type) {
            using T = decltype(type);
            for_items(run.threads, outer * inner, length, [&](int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                    const T* from = run.inputs[0].as<const T>() + item / inner * length * inner + item % inner;
                    int64_t best = 0;
                    for (int64_t i = 1; i < length; ++i) {
                        const auto candidate = ordered(from[i * inner]), holder = ordered(from[best * inner]);
                        if (last_ ? !greater(holder, candidate) : greater(candidate, holder)) best = i;
                    }
                    run.outputs[0].as<int64_t>()[item] = best;
                }
            });
        });
    }

private:
    int axis_;
    bool last_;
};

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const size_t axis = static_cast<size_t>(node.axis("axis", 0, x.rank));
    flag(node, "select_last_index", false);
    std::vector<int64_t> dims = dims_of(x);
    if (flag(node, "keepdims", true)) dims[axis] = 1;
    else dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    return {output_shape(node, dims)};
}

TensorType type(const Inference&, int, const Shape& shape) { return {Dtype::int64, shape}; }

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    return std::make_unique<ArgMaxKernel>(attributes.axis("axis", 0, preparation.inputs[0]->shape.rank),
                                          flag(attributes, "select_last_index", false));
}

}  // namespace

namespace ops {
extern const Op arg_max;
constexpr Op arg_max = OpRule("arg_max").shapes(shapes).every_dtype(prepare).type(type).each_image(beside_axis<0>);
}  // namespace ops

}  // namespace dsf
