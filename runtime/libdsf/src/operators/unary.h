// Element-wise ops of one float32 input.
//
//   EachKernel   y[i] = f(x[i]), f inlined and vectorised by the compiler
//   ArrayKernel  one of the array functions of the instruction set (kernels/array_f32.h)
#pragma once

#include <cmath>
#include <cstring>

#include "kernel.h"
#include "kernels/isa.h"
#include "parallel.h"

namespace dsf {

// x within [0, 1]; NaN stays NaN.
inline float unit(float x) {
    x = x < 0.0f ? 0.0f : x;
    return x > 1.0f ? 1.0f : x;
}

template <class F> class EachKernel final : public Kernel {
public:
    EachKernel(const char* name, F f) : name_(name), f_(f) {}
    const char* name() const override { return name_; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_chunks(run.threads, run.outputs[0].type.shape.elements(), [&](int64_t begin, int64_t end) {
            float block[256];  // y may be x: computing in a block of its own tells the compiler that nothing overlaps
            for (int64_t i = begin; i < end; i += 256) {
                const int64_t count = std::min<int64_t>(256, end - i);
                for (int64_t j = 0; j < count; ++j) block[j] = f_(x[i + j]);
                std::memcpy(y + i, block, static_cast<size_t>(count) * sizeof(float));
            }
        });
    }

private:
    const char* name_;
    F f_;
};

template <class F> std::unique_ptr<Kernel> each(const char* name, F f) {
    return std::make_unique<EachKernel<F>>(name, f);
}

// The same for a function that takes more than the arrays: f(x, y, count).
template <class F> class PiecesKernel final : public Kernel {
public:
    explicit PiecesKernel(F f) : f_(f) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_chunks(run.threads, run.outputs[0].type.shape.elements(),
                   [&](int64_t begin, int64_t end) { f_(x + begin, y + begin, end - begin); });
    }

private:
    F f_;
};

template <class F> std::unique_ptr<Kernel> pieces(F f) { return std::make_unique<PiecesKernel<F>>(f); }

class ArrayKernel final : public Kernel {
public:
    using Function = void (*)(const float*, float*, int64_t);
    explicit ArrayKernel(Function function) : function_(function) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_chunks(run.threads, run.outputs[0].type.shape.elements(),
                   [&](int64_t begin, int64_t end) { function_(x + begin, y + begin, end - begin); });
    }

private:
    Function function_;
};

}  // namespace dsf
