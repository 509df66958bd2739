// softmax and log_softmax: rows where axis is the last, otherwise blocks of columns.
#include <cmath>

#include "kernels/isa.h"
#include "parallel.h"
#include "softmax.h"

namespace dsf {
namespace {

constexpr int64_t BLOCK = 64;  // columns, or elements, worked on at a time

class SoftmaxKernel final : public Kernel {
public:
    SoftmaxKernel(int axis, Softmax softmax) : axis_(axis), logarithm_(softmax == Softmax::logarithm) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const Shape& shape = run.outputs[0].shape();
        const int64_t outer = product(shape, 0, axis_), length = shape[axis_];
        const int64_t inner = product(shape, axis_ + 1, shape.rank), blocks = (inner + BLOCK - 1) / BLOCK;
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_items(run.threads, outer * blocks, length * std::min(inner, BLOCK) * 4, [&](int64_t begin, int64_t end) {
            for (int64_t item = begin; item < end; ++item) {
                const int64_t start = item % blocks * BLOCK, at = item / blocks * length * inner + start;
                if (inner == 1) row(x + at, y + at, length);
                else columns(x + at, y + at, length, inner, std::min(BLOCK, inner - start));
            }
        });
    }

private:
    void row(const float* x, float* y, int64_t length) const {
        const ArrayF32& array = *isa().array;
        const float most = array.max(x, length);
        if (!logarithm_) {
            const float sum = static_cast<float>(array.exp_sum(x, most, y, length));
            array.divide(y, 1, &sum, 0, y, length);
            return;
        }
        double sum = 0;
        float block[BLOCK];
        for (int64_t i = 0; i < length; i += BLOCK)
            sum += array.exp_sum(x + i, most, block, std::min(BLOCK, length - i));
        const float shift = static_cast<float>(std::log(sum));
        for (int64_t i = 0; i < length; ++i) y[i] = (x[i] - most) - shift;
    }

    // length rows of `count` columns, `stride` apart.
    void columns(const float* x, float* y, int64_t length, int64_t stride, int64_t count) const {
        float most[BLOCK], block[BLOCK];
        double sum[BLOCK] = {};
        std::copy(x, x + count, most);
        for (int64_t i = 1; i < length; ++i)
            for (int64_t j = 0; j < count; ++j) {
                const float v = x[i * stride + j];
                most[j] = v > most[j] || v != v ? v : most[j];
            }
        for (int64_t i = 0; i < length; ++i) {
            for (int64_t j = 0; j < count; ++j) block[j] = x[i * stride + j] - most[j];
            if (logarithm_) std::copy(block, block + count, y + i * stride);
            isa().array->exp(block, block, count);
            if (!logarithm_) std::copy(block, block + count, y + i * stride);
            for (int64_t j = 0; j < count; ++j) sum[j] += static_cast<double>(block[j]);
        }
        for (int64_t j = 0; j < count; ++j) block[j] = static_cast<float>(logarithm_ ? std::log(sum[j]) : sum[j]);
        for (int64_t i = 0; i < length; ++i)
            for (int64_t j = 0; j < count; ++j) {
                float& v = y[i * stride + j];
                v = logarithm_ ? v - block[j] : v / block[j];
            }
    }

    int axis_;
    bool logarithm_;
};

}  // namespace

std::unique_ptr<Kernel> softmax_kernel(int axis, Softmax softmax) {
    return std::make_unique<SoftmaxKernel>(axis, softmax);
}

}  // namespace dsf
