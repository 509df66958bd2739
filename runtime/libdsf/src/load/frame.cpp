// frame: the 64-byte prefix and the sections that it describes
//
//    0  8  magic                              32  8  data section offset: 64 + graph length, rounded up to 64
//    8  2  major, 10 2 minor version          40  8  data section length: to the end of the file
//   12  4  feature flags                      48 16  zero
//   16  8  file length                        64     the graph, a FlatBuffer; zeros to the data section
//   24  4  CRC-32 of every other byte
//   28  4  graph length
#include <cstring>

#include "base/checked.h"
#include "base/crc.h"
#include "base/error.h"
#include "base/caps.h"
#include "load.h"

namespace dsf {
namespace {

constexpr uint8_t MAGIC[8] = {0x89, 'D', 'S', 'F', '\r', '\n', 0x1a, '\n'};
constexpr uint16_t MAJOR = 1;
constexpr size_t CRC_AT = 24;

template <class T> T at(const uint8_t* prefix, size_t offset) {
    T value;
    std::memcpy(&value, prefix + offset, sizeof value);
    return value;
}

void check_version(const std::string& where, const uint8_t* prefix) {
    uint16_t major = at<uint16_t>(prefix, 8), minor = at<uint16_t>(prefix, 10);
    uint32_t flags = at<uint32_t>(prefix, 12);
    std::string version = "format version " + std::to_string(major) + "." + std::to_string(minor);
    std::string known = "version " + std::to_string(MAJOR) + ", which libdsf " DSF_VERSION " reads";
    if (major > MAJOR) model_error(where, version, known, "install a newer dscompress");
    if (major < MAJOR) model_error(where, version, known, "export the model again");
    if (flags == 0) return;
    std::string bits;
    for (int bit = 0; bit < 32; ++bit)
        if (flags >> bit & 1) bits += (bits.empty() ? "" : ", ") + std::to_string(bit);
    model_error(where, "it needs features that are unknown here: flag bits " + bits + " of " + version,
                "no flags, as libdsf " DSF_VERSION " knows none", "install a newer dscompress");
}

void check_zero(const std::string& where, const uint8_t* bytes, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; ++i)
        if (bytes[i] != 0)
            model_error(where, "byte " + std::to_string(i) + " is " + std::to_string(bytes[i]), "0, as padding",
                        "the file is damaged: export it again");
}

}  // namespace

void check_prefix(const std::string& where, const uint8_t* prefix, uint64_t length) {
    const std::string start(reinterpret_cast<const char*>(prefix), static_cast<size_t>(length < 12 ? length : 12));
    if (std::memcmp(prefix, MAGIC, length < sizeof MAGIC ? length : sizeof MAGIC) != 0)
        model_error(where, "is not a .dsf file: it starts with '" + start + "'", "'\\x89DSF'",
                    "make one with `dscompress export`");
    if (length < PREFIX_BYTES)
        model_error(where, "is cut short: it has " + std::to_string(length) + " bytes",
                    "at least " + std::to_string(PREFIX_BYTES), "copy or export it again");
    check_version(where, prefix);
    uint64_t declared = at<uint64_t>(prefix, 16);
    if (declared > length)
        model_error(where, "is cut short: it has " + std::to_string(length) + " bytes",
                    std::to_string(declared) + " as it says itself", "copy or export it again");
    if (declared < length)
        model_error(where, "has bytes after its end: it has " + std::to_string(length),
                    std::to_string(declared) + " as it says itself", "copy or export it again");
}

Frame check_frame(const std::string& where, const uint8_t* bytes, uint64_t length) {
    const char* damaged = "the file is damaged: copy or export it again";
    uint32_t crc = crc32(crc32(0, bytes, CRC_AT), bytes + CRC_AT + 4, length - CRC_AT - 4);
    if (crc != at<uint32_t>(bytes, CRC_AT))
        model_error(where, "its bytes do not match its checksum", "CRC-32 " + std::to_string(crc), damaged);

    Frame frame{};
    frame.major = at<uint16_t>(bytes, 8);
    frame.minor = at<uint16_t>(bytes, 10);
    frame.graph_length = at<uint32_t>(bytes, 28);
    uint64_t data_offset = at<uint64_t>(bytes, 32), expected_offset = 0;
    frame.data_length = at<uint64_t>(bytes, 40);
    check_zero(where, bytes, 48, PREFIX_BYTES);
    if (frame.graph_length == 0 || frame.graph_length > MAX_FLATBUFFER_BYTES)
        model_error(where, "its graph has " + std::to_string(frame.graph_length) + " bytes",
                    "1 to " + std::to_string(MAX_FLATBUFFER_BYTES), damaged);
    if (!checked_add(PREFIX_BYTES, frame.graph_length, &expected_offset) ||
        !checked_round_up(expected_offset, &expected_offset) || data_offset != expected_offset)
        model_error(where, "its data section starts at " + std::to_string(data_offset), std::to_string(expected_offset),
                    damaged);
    if (data_offset > length || frame.data_length != length - data_offset)
        model_error(where,
                    "its data section of " + std::to_string(frame.data_length) + " bytes at " +
                        std::to_string(data_offset) + " does not end with the file",
                    "an end at " + std::to_string(length), damaged);
    check_zero(where, bytes, PREFIX_BYTES + frame.graph_length, data_offset);
    frame.graph = bytes + PREFIX_BYTES;
    frame.data = bytes + data_offset;
    return frame;
}

}  // namespace dsf
