// A tensor of one value.
#include "constant_of_shape.h"

#include "element.h"
#include "parallel.h"

namespace dsf {
namespace {

class FillKernel final : public Kernel {
public:
    explicit FillKernel(float value) : value_(value) {}
    const char* name() const override { return "fill"; }

    void run(const Run& run) const override {
        const Tensor& y = run.outputs[0];
        with_type(y.type.dtype, [&](auto type) {
            using T = decltype(type);
            if constexpr (!std::is_same_v<T, Half>) {
                const T value = convert<T>(value_);
                for_chunks(run.threads, y.type.shape.elements(),
                           [&](int64_t begin, int64_t end) { std::fill(y.as<T>() + begin, y.as<T>() + end, value); });
            }
        });
    }

private:
    float value_;
};

}  // namespace

std::unique_ptr<Kernel> constant_of_shape_kernel(float value) { return std::make_unique<FillKernel>(value); }

}  // namespace dsf
