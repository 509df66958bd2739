// arg_max: where the largest element along axis is; NaN counts as the largest. Of equals the first, or the last.
#include "operators/element.h"
#include "operators/parallel.h"
#include "rules.h"

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

std::vector<TensorType> infer(const Inference& node) {
    node.expect_inputs(1, 1);
    node.expect_outputs(1, 1);
    const Shape& x = node.input(0).shape;
    const size_t axis = static_cast<size_t>(node.axis("axis", 0, x.rank));
    flag(node, "select_last_index", false);
    std::vector<int64_t> dims = dims_of(x);
    if (flag(node, "keepdims", true)) dims[axis] = 1;
    else dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
    return {{Dtype::int64, output_shape(node, dims)}};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    return std::make_unique<ArgMaxKernel>(attributes.axis("axis", 0, preparation.inputs[0]->shape.rank),
                                          flag(attributes, "select_last_index", false));
}

}  // namespace

namespace ops {
extern const Op arg_max;
const Op arg_max = {"arg_max", infer, prepare, false, false, false, nullptr, beside_axis<0>};
}  // namespace ops

}  // namespace dsf
