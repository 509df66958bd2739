// The form of a weight: its numbers as the rest of the library has them. A codec (codec.h) makes it of the stored bytes
// when a model is loaded, and nothing after that asks for the codec.
//
//   Raw     the elements themselves
//   Codes   a sign and a level for each, in planes (planes.h)
//
// A form shares the memory in which its bytes lie: the file's where a codec stores them as they are, else the codec's own.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "base/tensor.h"
#include "planes.h"

namespace dsf {

struct Raw {
    std::shared_ptr<const uint8_t> elements;  // in C order, of the value's dtype
};

// value = scale[c] * sign * 2^(base[c] - level), in float32; c is the index in stored dimension 0.
struct Codes {
    std::shared_ptr<const uint8_t> bytes;  // of the planes
    PlaneLayout planes{};
    std::vector<int> order;  // stored tensor = transpose(value, order); empty: as the value's shape
    int bits = 0;
    bool zero = false;         // the highest level is the weight 0
    std::vector<int8_t> base;  // 1, or one a channel
    std::vector<float> scale;  // none: all are 1; 1, or one a channel

    // Where a plane of `planes` begins; null: there is no such plane.
    const uint8_t* at(const Plane& plane) const { return plane.width == 0 ? nullptr : bytes.get() + plane.offset; }
    int base_of(int64_t channel) const { return base[base.size() == 1 ? 0 : static_cast<size_t>(channel)]; }
    float scale_of(int64_t channel) const {
        return scale.empty() ? 1.0f : scale[scale.size() == 1 ? 0 : static_cast<size_t>(channel)];
    }
};

using Form = std::variant<Raw, Codes>;

// Writes the whole value, type.bytes() bytes in C order. type: the value's.
void decode(const Form& form, const TensorType& type, void* out);

// Decodes rows [first, last) of the value's dimension 0 alone, where has_rows says that the form holds it by such rows:
// packing a large weight then needs no decoded copy of all of it.
bool has_rows(const Form& form);
void decode_rows(const Form& form, const TensorType& type, int64_t first, int64_t last, void* out);

// Decodes rows [first, last) of the stored tensor of codes, which has this shape, in the order in which it is stored.
void decode_stored_rows(const Codes& codes, const Shape& shape, int64_t first, int64_t last, float* out);

}  // namespace dsf
