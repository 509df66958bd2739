// Element-wise ops of two float32 inputs, with NumPy's broadcasting.
//
// Neighbouring axes of the output are merged where both inputs walk through them evenly. The innermost that is left is a
// row, to which each input gives an array or one value; an odometer counts through the rows. A bias of (C, 1, 1) added to
// (N, C, H, W) has N * C rows of H * W.
#pragma once

#include <cmath>
#include <cstring>

#include "parallel.h"
#include "ops/op.h"

namespace dsf {

struct Broadcast {
    int rank = 0;                                    // of the outer axes
    std::array<int64_t, MAX_RANK> dims{}, a{}, b{};  // outer axes: dimension, strides
    int64_t row = 1, a_step = 0, b_step = 0;         // the row: its length, strides of 0 or 1
};

Broadcast plan_broadcast(const Shape& a, const Shape& b, const Shape& y);

// y[i] = f(a[i * a_step], b[i * b_step]) for an f of two numbers.
template <class F> struct Pairwise {
    F f;
    void operator()(const float* a, int64_t a_step, const float* b, int64_t b_step, float* y, int64_t total) const {
        float block[256];  // y may be a or b: nothing overlaps a block of its own
        for (int64_t i = 0; i < total; i += 256) {
            const int64_t count = std::min<int64_t>(256, total - i);
            const float* left = a + i * a_step;
            const float* right = b + i * b_step;
            if (a_step && b_step)
                for (int64_t j = 0; j < count; ++j) block[j] = f(left[j], right[j]);
            else if (a_step)
                for (int64_t j = 0; j < count; ++j) block[j] = f(left[j], *right);
            else
                for (int64_t j = 0; j < count; ++j) block[j] = f(*left, b_step ? right[j] : *right);
            std::memcpy(y + i, block, static_cast<size_t>(count) * sizeof(float));
        }
    }
};

// Rows is called for pieces of rows, as Pairwise is.
template <class Rows> class BinaryKernel final : public Kernel {
public:
    BinaryKernel(const char* name, const Broadcast& plan, Rows rows) : name_(name), plan_(plan), rows_(rows) {}
    const char* name() const override { return name_; }

    void run(const Run& run) const override {
        const float* a = run.inputs[0].as<const float>();
        const float* b = run.inputs[1].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_chunks(run.threads, run.outputs[0].type.shape.elements(), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                int64_t at = i % plan_.row, outer = i / plan_.row;
                const int64_t count = std::min(end - i, plan_.row - at);
                int64_t from_a = at * plan_.a_step, from_b = at * plan_.b_step;
                for (int axis = plan_.rank; axis-- > 0;) {
                    const size_t x = static_cast<size_t>(axis);
                    from_a += outer % plan_.dims[x] * plan_.a[x];
                    from_b += outer % plan_.dims[x] * plan_.b[x];
                    outer /= plan_.dims[x];
                }
                rows_(a + from_a, plan_.a_step, b + from_b, plan_.b_step, y + i, count);
                i += count;
            }
        });
    }

private:
    const char* name_;
    Broadcast plan_;
    Rows rows_;
};

template <class Rows>
std::unique_ptr<Kernel> binary_rows(const Preparation& preparation, const char* name, Rows rows) {
    const Broadcast plan =
        plan_broadcast(preparation.inputs[0]->shape, preparation.inputs[1]->shape, preparation.outputs[0].shape);
    return std::make_unique<BinaryKernel<Rows>>(name, plan, rows);
}

template <class F> std::unique_ptr<Kernel> binary(const Preparation& preparation, const char* name, F f) {
    return binary_rows(preparation, name, Pairwise<F>{f});
}

}  // namespace dsf
