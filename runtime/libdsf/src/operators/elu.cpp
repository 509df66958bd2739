// y = x, or alpha * (e^x - 1) below 0.
#include "elu.h"

#include <cstring>

#include "kernels/isa.h"
#include "parallel.h"

namespace dsf {
namespace {

class EluKernel final : public Kernel {
public:
    explicit EluKernel(float alpha) : alpha_(alpha) {}
    const char* name() const override { return isa().array->name; }

    void run(const Run& run) const override {
        const float* x = run.inputs[0].as<const float>();
        float* y = run.outputs[0].as<float>();
        for_chunks(run.threads, run.outputs[0].type.shape.elements(), [&](int64_t begin, int64_t end) {
            float block[256];
            for (int64_t i = begin; i < end; i += 256) {
                const int64_t count = std::min<int64_t>(256, end - i);
                isa().array->exp(x + i, block, count);
                for (int64_t j = 0; j < count; ++j) block[j] = x[i + j] < 0.0f ? alpha_ * (block[j] - 1.0f) : x[i + j];
                std::memcpy(y + i, block, static_cast<size_t>(count) * sizeof(float));
            }
        });
    }

private:
    float alpha_;
};

}  // namespace

std::unique_ptr<Kernel> elu_kernel(float alpha) { return std::make_unique<EluKernel>(alpha); }

}  // namespace dsf
