// gather: slices of x along axis, chosen by indices; a negative index counts from the end.
#include <cstring>

#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class GatherKernel final : public Kernel {
public:
    GatherKernel(std::string where, int axis) : where_(std::move(where)), axis_(axis) {}
    const char* name() const override { return "gather"; }

    void run(const Run& run) const override {
        const Shape& x = run.inputs[0].shape();
        const int64_t dim = x[axis_], outer = product(x, 0, axis_), count = run.inputs[1].shape().elements();
        const int64_t* indices = run.inputs[1].as<const int64_t>();
        for (int64_t i = 0; i < count; ++i)
            if (indices[i] < -dim || indices[i] >= dim)
                model_error(where_, "index " + std::to_string(indices[i]) + " in the values of input 1",
                            std::to_string(-dim) + " to " + std::to_string(dim - 1), "check the model's inputs");

        const int64_t bytes = product(x, axis_ + 1, x.rank) * size_of(run.inputs[0].type.dtype);
        const char* from = run.inputs[0].as<const char>();
        char* to = run.outputs[0].as<char>();
        for_items(run.threads, outer * count, bytes / 4, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t index = indices[item % count], row = index < 0 ? index + dim : index;
                std::memcpy(to + item * bytes, from + (item / count * dim + row) * bytes, static_cast<size_t>(bytes));
            }
        });
    }

private:
    std::string where_;
    int axis_;
};

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", 0, x.rank);
    std::vector<int64_t> dims = dims_of(x);
    dims.erase(dims.begin() + axis);
    const std::vector<int64_t> chosen = dims_of(node.input(1).shape);
    dims.insert(dims.begin() + axis, chosen.begin(), chosen.end());
    return {output_shape(node, dims)};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const int axis = preparation.attributes().axis("axis", 0, preparation.inputs[0]->shape.rank);
    return std::make_unique<GatherKernel>(where_of(preparation), axis);
}

// Slices of each image by the same indices, or slices of one x by each image's.
bool each_image(const Inference& node, const BatchAxes& batch) {
    const int axis = node.axis("axis", 0, node.input(0).shape.rank);
    return batch[0] >= 0 ? batch[1] < 0 && axis != batch[0] : true;
}

}  // namespace

namespace ops {
extern const Op gather;
constexpr Op gather = OpRule("gather").inputs(2).shapes(shapes).every_dtype(prepare).indices(1).each_image(each_image);
}  // namespace ops

}  // namespace dsf
