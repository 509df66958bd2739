// All codecs, by name. To add one: a file beside this one, and a row here.
#include "codec.h"

namespace dsf {
namespace {

const Codec* const CODECS[] = {&RAW, &SHIFT};

}  // namespace

const Codec* find_codec(const std::string& name) {
    for (const Codec* codec : CODECS)
        if (name == codec->name) return codec;
    return nullptr;
}

void refuse_weight(const Model& model, const Weight& weight, std::string found, std::string expected) {
    const Value& value = model.values[static_cast<size_t>(weight.value)];
    model_error(model.path + ": weight '" + value.name + "' " + value.shape.text(), std::move(found),
                std::move(expected), "the file is damaged: export it again");
}

void decode(const Model& model, const Weight& weight, void* out) {
    const Value& value = model.values[static_cast<size_t>(weight.value)];
    size_t axis = weight.order.empty() ? 0 : static_cast<size_t>(weight.order[0]);
    int64_t channels = value.shape.rank == 0 ? 1 : value.shape.dims[axis];
    find_codec(weight.codec)->decode(weight, {value.dtype, value.shape}, 0, channels, out);
}

bool has_rows(const Weight& weight) { return weight.order.empty() || weight.order[0] == 0; }

void decode_rows(const Model& model, const Weight& weight, int64_t first, int64_t last, void* out) {
    const Value& value = model.values[static_cast<size_t>(weight.value)];
    find_codec(weight.codec)->decode(weight, {value.dtype, value.shape}, first, last, out);
}

}  // namespace dsf
