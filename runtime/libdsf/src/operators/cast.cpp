// Elements as another dtype.
#include "cast.h"

#include "element.h"
#include "parallel.h"

namespace dsf {
namespace {

class CastKernel final : public Kernel {
public:
    const char* name() const override { return "cast"; }

    void run(const Run& run) const override {
        const Tensor &x = run.inputs[0], &y = run.outputs[0];
        with_type(x.type.dtype, [&](auto from) {
            with_type(y.type.dtype, [&](auto to) {
                using From = decltype(from);
                using To = decltype(to);
                if constexpr (!std::is_same_v<To, Half>) {
                    for_chunks(run.threads, y.type.shape.elements(), [&](int64_t begin, int64_t end) {
                        const From* source = x.as<const From>();
                        To* target = y.as<To>();
                        for (int64_t i = begin; i < end; ++i) target[i] = convert<To>(source[i]);
                    });
                }
            });
        });
    }
};

}  // namespace

std::unique_ptr<Kernel> cast_kernel() { return std::make_unique<CastKernel>(); }

}  // namespace dsf
