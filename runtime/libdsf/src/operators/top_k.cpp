// The k largest (or smallest) elements along an axis and their indices.
#include "top_k.h"

#include <algorithm>

#include "element.h"
#include "parallel.h"

namespace dsf {
namespace {

class TopKKernel final : public Kernel {
public:
    TopKKernel(const Shape& x, int axis, int64_t k, Top top, int threads)
        : axis_(axis), k_(k), largest_(top == Top::largest), slots_(threads), length_(x[axis]) {}
    const char* name() const override { return "top_k"; }

    // One list of indices a slot.
    size_t scratch_bytes() const override { return static_cast<size_t>(slots_ * length_) * sizeof(int32_t); }

    void run(const Run& run) const override {
        with_type(run.inputs[0].type.dtype, [&](auto type) { select<decltype(type)>(run); });
    }

private:
    template <class T> void select(const Run& run) const {
        const Shape& x = run.inputs[0].shape();
        const int64_t inner = product(x, axis_ + 1, x.rank), outer = product(x, 0, axis_);
        for_slots(run.threads, slots_, outer * inner, [&](int64_t slot, int64_t item) {
            const T* from = run.inputs[0].as<const T>() + item / inner * length_ * inner + item % inner;
            int32_t* order = static_cast<int32_t*>(run.scratch) + slot * length_;
            for (int64_t i = 0; i < length_; ++i) order[i] = static_cast<int32_t>(i);
            std::partial_sort(order, order + k_, order + length_, [&](int32_t a, int32_t b) {
                const auto left = ordered(from[a * inner]), right = ordered(from[b * inner]);
                if (greater(left, right)) return largest_;
                if (greater(right, left)) return !largest_;
                return a < b;
            });
            const int64_t at = item / inner * k_ * inner + item % inner;
            for (int64_t i = 0; i < k_; ++i) {
                run.outputs[0].as<T>()[at + i * inner] = from[order[i] * inner];
                run.outputs[1].as<int64_t>()[at + i * inner] = order[i];
            }
        });
    }

    int axis_;
    int64_t k_;
    bool largest_;
    int64_t slots_, length_;
};

}  // namespace

std::unique_ptr<Kernel> top_k_kernel(const Shape& x, int axis, int64_t k, Top top, int threads) {
    return std::make_unique<TopKKernel>(x, axis, k, top, threads);
}

}  // namespace dsf
