// cast: x as another dtype. Rounding and range: convert() in element.h.
#include "operators/element.h"
#include "operators/parallel.h"
#include "op_rule.h"

namespace dsf {
namespace {

const Dtype TARGETS[] = {Dtype::float32, Dtype::int64, Dtype::int32, Dtype::uint8, Dtype::int8, Dtype::boolean};

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

TensorType type(const Inference& node, int, const Shape& shape) {
    const std::string to = node.text("to", "");
    for (Dtype target : TARGETS)
        if (to == name_of(target)) return {target, shape};
    node.refuse("to is '" + to + "'", "float32, int64, int32, uint8, int8 or bool");
}

std::unique_ptr<Kernel> prepare(const Preparation&) { return std::make_unique<CastKernel>(); }

}  // namespace

namespace ops {
extern const Op cast;
constexpr Op cast = OpRule("cast").shapes(like_input).every_dtype(prepare).type(type).each_image(by_elements);
}  // namespace ops

}  // namespace dsf
