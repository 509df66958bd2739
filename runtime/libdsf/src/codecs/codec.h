// What every codec gives: the proof that stored bytes are legal, and the form that they become. Each codec has a file, and
// a row in table.cpp.
#pragma once

#include <optional>
#include <string>

#include "form.h"

namespace dsf {

struct Codec;

// The schema's Shift table.
struct Shift {
    int bits = 0;
    bool zero = false;
    std::vector<int8_t> base;
    std::vector<float> scale;
};

// What a file holds of a weight.
struct Stored {
    const Codec& codec;
    std::string where;                     // an error's subject: "model.dsf: weight 'conv1.weight' (64, 3, 3, 3)"
    TensorType type;                       // the value's, within the caps
    std::shared_ptr<const uint8_t> bytes;  // shares the file's memory
    uint64_t length = 0;
    std::vector<int> order;
    std::optional<Shift> shift;  // there if the codec's parameters are

    [[noreturn]] void refuse(std::string found, std::string expected) const;
};

// The table of the schema that a codec's weights have beside their bytes.
enum class CodecParameters : uint8_t { none, shift };

struct Codec {
    const char* name;
    CodecParameters parameters;
    // Refuses stored bytes and parameters that decoding could not trust.
    Form (*open)(Stored stored);
};

const Codec* find_codec(const std::string& name);  // null: unknown
std::string codec_names();                         // "'raw' or ..."

Form open_raw(Stored stored);
Form open_shift(Stored stored);

}  // namespace dsf
