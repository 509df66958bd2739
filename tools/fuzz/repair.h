// repair: makes a damaged file look whole from outside, so that fuzzing gets past the checksum
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fuzz {

constexpr size_t PREFIX = 64;

inline uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t length) {
    crc = ~crc;
    for (size_t i = 0; i < length; ++i) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

template <class T> void put(uint8_t* bytes, size_t at, T value) { std::memcpy(bytes + at, &value, sizeof value); }

// Magic, version, lengths and checksum as they must be; the graph's length is left as it is where it can be true.
inline void repair(uint8_t* data, size_t size) {
    if (size < PREFIX) return;
    std::memcpy(data,
                "\x89"
                "DSF\r\n\x1a\n\1\0\0\0\0\0\0\0",
                16);
    uint32_t graph = 0;
    std::memcpy(&graph, data + 28, sizeof graph);
    if (graph == 0 || graph > size - PREFIX) graph = static_cast<uint32_t>(size - PREFIX);
    uint64_t start = (PREFIX + uint64_t{graph} + 63) / 64 * 64;
    if (start > size) {
        graph = static_cast<uint32_t>(size / 64 * 64 - PREFIX);
        start = size / 64 * 64;
    }
    put<uint64_t>(data, 16, size);
    put<uint32_t>(data, 28, graph);
    put<uint64_t>(data, 32, start);
    put<uint64_t>(data, 40, size - start);
    std::memset(data + 48, 0, 16);
    if (start > PREFIX + graph) std::memset(data + PREFIX + graph, 0, start - PREFIX - graph);
    put<uint32_t>(data, 24, crc32(crc32(0, data, 24), data + 28, size - 28));
}

// Half of the time a number in the graph becomes another one, so that every offset stays; else libFuzzer's own choice.
inline size_t mutate(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
    static const int64_t NUMBERS[] = {0,
                                      1,
                                      -1,
                                      2,
                                      -2,
                                      3,
                                      5,
                                      7,
                                      8,
                                      16,
                                      63,
                                      64,
                                      127,
                                      -128,
                                      255,
                                      1 << 20,
                                      (1 << 20) + 1,
                                      INT32_MAX,
                                      INT32_MIN,
                                      INT64_MAX,
                                      INT64_MIN,
                                      int64_t{1} << 32,
                                      int64_t{1} << 62};
    std::mt19937 random(seed);
    if (size < PREFIX + 16 || random() % 8 == 0) {
        size = LLVMFuzzerMutate(data, size, max_size);
    } else if (random() % 2) {
        for (unsigned times = 1 + random() % 3; times > 0; --times) {
            size_t width = size_t{1} << random() % 4;
            size_t at = PREFIX + random() % ((size - PREFIX) / width) * width;
            int64_t number = NUMBERS[random() % (sizeof NUMBERS / sizeof *NUMBERS)];
            if (at + width <= size) std::memcpy(data + at, &number, width);
        }
    } else {
        size_t at = PREFIX + random() % (size - PREFIX);
        size_t length = 1 + random() % (size - at < 64 ? size - at : 64);
        LLVMFuzzerMutate(data + at, length, length);
    }
    repair(data, size);
    return size;
}

}  // namespace fuzz
