// Decoding, whatever the form. What codes take is in codes.cpp.
#include "form.h"

#include <cstring>

#include "codes.h"

namespace dsf {
namespace {

void copy_rows(const Raw& raw, const TensorType& type, int64_t first, int64_t last, void* out) {
    const int64_t row = type.bytes() / (type.shape.rank == 0 ? 1 : type.shape[0]);
    std::memcpy(out, raw.elements.get() + row * first, static_cast<size_t>(row * (last - first)));
}

}  // namespace

void decode(const Form& form, const TensorType& type, void* out) {
    const Codes* codes = std::get_if<Codes>(&form);
    const int axis = codes && !codes->order.empty() ? codes->order[0] : 0;
    decode_rows(form, type, 0, type.shape.rank == 0 ? 1 : type.shape[axis], out);
}

bool has_rows(const Form& form) {
    const Codes* codes = std::get_if<Codes>(&form);
    return !codes || codes->order.empty() || codes->order[0] == 0;
}

void decode_rows(const Form& form, const TensorType& type, int64_t first, int64_t last, void* out) {
    if (const Codes* codes = std::get_if<Codes>(&form))
        decode_codes(*codes, type.shape, codes->order, first, last, static_cast<float*>(out));
    else copy_rows(std::get<Raw>(form), type, first, last, out);
}

void decode_stored_rows(const Codes& codes, const Shape& shape, int64_t first, int64_t last, float* out) {
    decode_codes(codes, shape, {}, first, last, out);
}

}  // namespace dsf
