// Element-wise ops of two float32 inputs, with NumPy's broadcasting.
//
// The output's axes are merged where both inputs walk on evenly; what is left of them is a row of which each input
// gives an array or one value, and an odometer over the rows: a bias of (C, 1, 1) added to (N, C, H, W) has N * C rows
// of H * W.
#pragma once

#include <cmath>
#include <cstring>

#include "parallel.h"
#include "rules.h"

namespace dsf {

struct Broadcast {
    int rank = 0;                                  // of the outer axes
    std::array<int64_t, MAX_RANK> dims{}, a{}, b{};  // outer axes: dimension, strides
    int64_t row = 1, a_step = 0, b_step = 0;       // the row: its length, strides of 0 or 1
};

Broadcast plan_broadcast(const Shape& a, const Shape& b, const Shape& y);

template <class F> class BinaryKernel final : public Kernel {
public:
    BinaryKernel(const char* name, const Broadcast& plan, F f) : name_(name), plan_(plan), f_(f) {}
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
                piece(a + from_a, b + from_b, y + i, count);
                i += count;
            }
        });
    }

private:
    void piece(const float* a, const float* b, float* y, int64_t total) const {
        float block[256];  // y may be a or b: nothing overlaps a block of its own
        for (int64_t i = 0; i < total; i += 256) {
            const int64_t count = std::min<int64_t>(256, total - i);
            const float* left = a + i * plan_.a_step;
            const float* right = b + i * plan_.b_step;
            if (plan_.a_step && plan_.b_step)
                for (int64_t j = 0; j < count; ++j) block[j] = f_(left[j], right[j]);
            else if (plan_.a_step)
                for (int64_t j = 0; j < count; ++j) block[j] = f_(left[j], *right);
            else
                for (int64_t j = 0; j < count; ++j) block[j] = f_(*left, plan_.b_step ? right[j] : *right);
            std::memcpy(y + i, block, static_cast<size_t>(count) * sizeof(float));
        }
    }

    const char* name_;
    Broadcast plan_;
    F f_;
};

std::vector<TensorType> infer_binary(const Inference& node);

template <class F> std::unique_ptr<Kernel> binary(const Preparation& preparation, const char* name, F f) {
    return std::make_unique<BinaryKernel<F>>(
        name, plan_broadcast(preparation.inputs[0]->shape, preparation.inputs[1]->shape, preparation.outputs[0].shape),
        f);
}

}  // namespace dsf
