// All codecs, by name. To add one: a file beside this one, and a row here.
#include "base/error.h"
#include "codec.h"

namespace dsf {
namespace {

const Codec CODECS[] = {
    {"raw", CodecParameters::none, open_raw},
    {"shift", CodecParameters::shift, open_shift},
};

}  // namespace

const Codec* find_codec(const std::string& name) {
    for (const Codec& codec : CODECS)
        if (name == codec.name) return &codec;
    return nullptr;
}

std::string codec_names() {
    std::string names;
    for (const Codec& codec : CODECS) names += (names.empty() ? "'" : " or '") + std::string(codec.name) + "'";
    return names;
}

void Stored::refuse(std::string found, std::string expected) const {
    model_error(where, std::move(found), std::move(expected), "the file is damaged: export it again");
}

}  // namespace dsf
