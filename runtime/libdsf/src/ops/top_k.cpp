// top_k: the k largest (or smallest) elements along axis and their indices; NaN counts as the largest.
//
// Of equals the lower index comes first. With sorted=0 the order is free: it is the same.
#include "plan/work.h"
#include "operators/element.h"
#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

class TopKKernel final : public Kernel {
public:
    TopKKernel(const Shape& x, int axis, int64_t k, bool largest, int threads)
        : axis_(axis), k_(k), largest_(largest), slots_(threads), length_(x[axis]) {}
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

std::vector<Shape> shapes(const Inference& node) {
    const Shape& x = node.input(0).shape;
    const int axis = node.axis("axis", -1, x.rank);
    const int64_t k = node.integer("k");
    flag(node, "largest", true);
    flag(node, "sorted", true);
    if (k < 1 || k > x[axis])
        node.refuse("k is " + std::to_string(k), "1 to " + std::to_string(x[axis]) + ", the axis' length");
    std::vector<int64_t> dims = dims_of(x);
    dims[static_cast<size_t>(axis)] = k;
    const Shape y = output_shape(node, dims);
    return {y, y};
}

TensorType type(const Inference& node, int output, const Shape& shape) {
    return output == 0 ? like(node.input(0), shape) : TensorType{Dtype::int64, shape};
}

std::unique_ptr<Kernel> prepare(const Preparation& preparation) {
    const Inference attributes = preparation.attributes();
    const Shape& x = preparation.inputs[0]->shape;
    return std::make_unique<TopKKernel>(x, attributes.axis("axis", -1, x.rank), attributes.integer("k"),
                                        flag(attributes, "largest", true), preparation.threads);
}

uint64_t work(const Inference& node, const Shape& y) {
    const Shape& x = node.input(0).shape;
    uint64_t rounds = 1;  // of a sort: every element is compared so often
    for (int64_t k = y[node.axis("axis", -1, x.rank)]; k > 1; k /= 2) ++rounds;
    return static_cast<uint64_t>(x.elements()) * rounds * ELEMENT_WORK;
}

}  // namespace

namespace ops {
extern const Op top_k;
constexpr Op top_k =
    OpRule("top_k").outputs(2).shapes(shapes).every_dtype(prepare).type(type).each_image(beside_axis<-1>).work(work);
}  // namespace ops

}  // namespace dsf
