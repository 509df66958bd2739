// crc: known values, both ways of computing on every length and alignment, and sums in two parts
#include "base/crc.h"

#include <cstring>
#include <vector>

#include "expect.h"

int main() {
    EXPECT(dsf::crc32(0, "", 0) == 0);
    EXPECT(dsf::crc32(0, "123456789", 9) == 0xCBF43926);
    EXPECT(dsf::crc32_portable(0, "123456789", 9) == 0xCBF43926);
    const char* fox = "The quick brown fox jumps over the lazy dog";
    EXPECT(dsf::crc32(0, fox, std::strlen(fox)) == 0x414FA339);
    std::vector<unsigned char> zeros(1000), ones(1000, 0xFF);
    EXPECT(dsf::crc32(0, zeros.data(), 32) == 0x190A55AD);
    EXPECT(dsf::crc32(0, ones.data(), 32) == 0xFF6CAB0B);

    std::vector<unsigned char> bytes(2100);
    uint32_t seed = 1;
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>((seed = seed * 1664525 + 1013904223) >> 24);
    for (size_t offset = 0; offset < 17; ++offset)
        for (size_t length = 0; length < 2000; length += length < 300 ? 1 : 13)
            EXPECT(dsf::crc32(7, &bytes[offset], length) == dsf::crc32_portable(7, &bytes[offset], length));
    uint32_t whole = dsf::crc32(0, bytes.data(), bytes.size());
    for (size_t cut = 0; cut < bytes.size(); cut += 7) {
        uint32_t first = dsf::crc32(0, bytes.data(), cut);
        EXPECT(dsf::crc32(first, &bytes[cut], bytes.size() - cut) == whole);
    }
}
