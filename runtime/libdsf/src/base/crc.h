// CRC-32 with zlib's polynomial: crc32(crc32(0, a), b) is the CRC of a followed by b.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsf {

uint32_t crc32(uint32_t crc, const void* bytes, size_t length);
uint32_t crc32_portable(uint32_t crc, const void* bytes, size_t length);

}  // namespace dsf
