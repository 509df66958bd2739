// raw: the tensor in C order, little-endian, in the value's dtype
#include <cstring>

#include "codec.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libdsf reads tensors as they lie in the file: it needs a little-endian machine"
#endif

namespace dsf {
namespace {

void check(const Model& model, const Weight& weight, const TensorType& type) {
    uint64_t needed = static_cast<uint64_t>(type.bytes());
    if (weight.length != needed)
        refuse_weight(model, weight, "it has " + std::to_string(weight.length) + " bytes",
                      std::to_string(needed) + " as raw " + name_of(type.dtype));
    if (!weight.order.empty()) refuse_weight(model, weight, "codec raw has an order", "none");
    if (type.dtype != Dtype::boolean) return;
    for (uint64_t i = 0; i < weight.length; ++i)
        if (weight.data[i] > 1)
            refuse_weight(model, weight, "element " + std::to_string(i) + " is " + std::to_string(weight.data[i]),
                          "a bool is 0 or 1");
}

void decode(const Weight& weight, const TensorType& type, int64_t first, int64_t last, void* out) {
    uint64_t channels = type.shape.rank == 0 ? 1 : static_cast<uint64_t>(type.shape[0]);
    uint64_t bytes = weight.length / channels;
    std::memcpy(out, weight.data + bytes * static_cast<uint64_t>(first), bytes * static_cast<uint64_t>(last - first));
}

}  // namespace

const Codec RAW = {"raw", check, decode};

}  // namespace dsf
