// What every codec gives: proof that stored bytes are legal, and their decoding. One file a codec, listed in table.cpp.
#pragma once

#include "../error.h"
#include "../model.h"

namespace dsf {

struct Codec {
    const char* name;
    // Refuses stored bytes and parameters that decode could not trust. type: the weight's value, within the caps.
    void (*check)(const Model& model, const Weight& weight, const TensorType& type);
    // Writes type.bytes() bytes, in the value's shape.
    void (*decode)(const Weight& weight, const TensorType& type, void* out);
};

const Codec* find_codec(const std::string& name);  // null: unknown

// Refuses: "model.dsf: weight 'conv1.weight' (64, 3, 3, 3): found; expected ...".
[[noreturn]] void refuse_weight(const Model& model, const Weight& weight, std::string found, std::string expected);

extern const Codec RAW;
extern const Codec SHIFT;

}  // namespace dsf
