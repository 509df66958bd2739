// crc: CRC-32 by carry-less multiplication (x86-64), by instruction (aarch64), or by sixteen tables (anywhere)
//
// Polynomial 0x04C11DB7, bits reflected (0xEDB88320), start and final value inverted: zlib's crc32.
#include "crc.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace dsf {
namespace {

constexpr uint32_t POLYNOMIAL = 0xEDB88320;

// TABLES[k][b]: what byte b does to the CRC when k more bytes follow it.
constexpr std::array<std::array<uint32_t, 256>, 16> make_tables() {
    std::array<std::array<uint32_t, 256>, 16> tables{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (size_t k = 1; k < 16; ++k)
        for (size_t byte = 0; byte < 256; ++byte)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 255];
    return tables;
}

constexpr auto TABLES = make_tables();

// state is the inverted CRC.
uint32_t update(uint32_t state, const uint8_t* bytes, size_t length) {
    for (; length >= 16; bytes += 16, length -= 16) {
        uint32_t words[4];
        std::memcpy(words, bytes, 16);
        words[0] ^= state;
        state = 0;
        for (size_t word = 0; word < 4; ++word)
            for (size_t byte = 0; byte < 4; ++byte)
                state ^= TABLES[15 - 4 * word - byte][words[word] >> 8 * byte & 255];
    }
    for (; length > 0; ++bytes, --length) state = state >> 8 ^ TABLES[0][(state ^ *bytes) & 255];
    return state;
}

#if defined(__x86_64__)

// Multiplies the two halves of `value` by x^(d+32) and x^(d-32) modulo the polynomial, where d is the distance in bits
// over which the pair of constants moves it, and adds `next`, which lies there.
__attribute__((target("pclmul,sse4.1"))) inline __m128i fold(__m128i value, __m128i constants, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(value, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(value, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

inline __m128i block(const uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

// Folds the bulk to the sixteen bytes that have the same CRC, then leaves those to the tables. length >= 64.
__attribute__((target("pclmul,sse4.1"))) uint32_t update_pclmul(uint32_t state, const uint8_t* bytes, size_t length) {
    const __m128i by_512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);  // x^(512-32), x^(512+32), reflected
    const __m128i by_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);  // x^(128-32), x^(128+32), reflected
    __m128i sums[4];
    for (int i = 0; i < 4; ++i) sums[i] = block(bytes + 16 * i);
    sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128(static_cast<int>(state)));
    for (bytes += 64, length -= 64; length >= 64; bytes += 64, length -= 64)
        for (int i = 0; i < 4; ++i) sums[i] = fold(sums[i], by_512, block(bytes + 16 * i));
    for (int i = 1; i < 4; ++i) sums[i] = fold(sums[i - 1], by_128, sums[i]);
    __m128i sum = sums[3];
    for (; length >= 16; bytes += 16, length -= 16) sum = fold(sum, by_128, block(bytes));
    uint8_t rest[16];
    std::memcpy(rest, &sum, 16);
    return update(update(0, rest, 16), bytes, length);
}

uint32_t update_fast(uint32_t state, const uint8_t* bytes, size_t length) {
    static const bool has_pclmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    return has_pclmul && length >= 64 ? update_pclmul(state, bytes, length) : update(state, bytes, length);
}

#elif defined(__aarch64__) && defined(__linux__)

__attribute__((target("+crc"))) uint32_t update_crc32x(uint32_t state, const uint8_t* bytes, size_t length) {
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        std::memcpy(&word, bytes, 8);
        state = __builtin_aarch64_crc32x(state, word);
    }
    return update(state, bytes, length);
}

uint32_t update_fast(uint32_t state, const uint8_t* bytes, size_t length) {
    constexpr unsigned long HAS_CRC32 = 1 << 7;
    static const bool has_crc32 = getauxval(AT_HWCAP) & HAS_CRC32;
    return has_crc32 ? update_crc32x(state, bytes, length) : update(state, bytes, length);
}

#else

uint32_t update_fast(uint32_t state, const uint8_t* bytes, size_t length) { return update(state, bytes, length); }

#endif

}  // namespace

uint32_t crc32(uint32_t crc, const void* bytes, size_t length) {
    return ~update_fast(~crc, static_cast<const uint8_t*>(bytes), length);
}

uint32_t crc32_portable(uint32_t crc, const void* bytes, size_t length) {
    return ~update(~crc, static_cast<const uint8_t*>(bytes), length);
}

}  // namespace dsf
