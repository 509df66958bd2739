// Slices along an axis, chosen by indices.
#include "gather.h"

#include <cstring>

#include "base/error.h"
#include "parallel.h"

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

}  // namespace

std::unique_ptr<Kernel> gather_kernel(std::string where, int axis) {
    return std::make_unique<GatherKernel>(std::move(where), axis);
}

}  // namespace dsf
