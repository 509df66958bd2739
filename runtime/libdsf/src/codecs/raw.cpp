// raw: the tensor in C order, little-endian, in the value's dtype
#include "codec.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libdsf reads tensors as they lie in the file: it needs a little-endian machine"
#endif

namespace dsf {

Form open_raw(Stored stored) {
    const uint64_t needed = static_cast<uint64_t>(stored.type.bytes());
    if (stored.length != needed)
        stored.refuse("it has " + std::to_string(stored.length) + " bytes",
                      std::to_string(needed) + " as " + stored.codec.name + " " + name_of(stored.type.dtype));
    if (!stored.order.empty()) stored.refuse(std::string("codec ") + stored.codec.name + " has an order", "none");
    if (stored.type.dtype == Dtype::boolean)
        for (uint64_t i = 0; i < stored.length; ++i)
            if (stored.bytes.get()[i] > 1)
                stored.refuse("element " + std::to_string(i) + " is " + std::to_string(stored.bytes.get()[i]),
                              "a bool is 0 or 1");
    return Raw{std::move(stored.bytes)};
}

}  // namespace dsf
