// Where the largest element along an axis is.
#include "arg_max.h"

#include "element.h"
#include "parallel.h"

namespace dsf {
namespace {

class ArgMaxKernel final : public Kernel {
public:
    ArgMaxKernel(int axis, Ties ties) : axis_(axis), last_(ties == Ties::last) {}
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

}  // namespace

std::unique_ptr<Kernel> arg_max_kernel(int axis, Ties ties) { return std::make_unique<ArgMaxKernel>(axis, ties); }

}  // namespace dsf
