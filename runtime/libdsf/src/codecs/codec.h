// What every codec gives: proof that stored bytes are legal, and their decoding. One file a codec, listed in table.cpp.
#pragma once

#include "base/error.h"
#include "load/model.h"

namespace dsf {

struct Codec {
    const char* name;
    // Refuses stored bytes and parameters that decode could not trust. type: the weight's value, within the caps.
    void (*check)(const Model& model, const Weight& weight, const TensorType& type);
    // Writes channels [first, last), counted in stored dimension 0, in the value's shape. out: where channel first begins.
    void (*decode)(const Weight& weight, const TensorType& type, int64_t first, int64_t last, void* out);
};

const Codec* find_codec(const std::string& name);  // null: unknown

// Refuses: "model.dsf: weight 'conv1.weight' (64, 3, 3, 3): found; expected ...".
[[noreturn]] void refuse_weight(const Model& model, const Weight& weight, std::string found, std::string expected);

extern const Codec RAW;
extern const Codec SHIFT;

}  // namespace dsf
