// decode_f32 for AVX-512 (F, DQ, BW, VL): the table is four registers, a look-up two permutations.
#if defined(__x86_64__)
#include <immintrin.h>

#include "decode_f32.h"

namespace dsf {
namespace {

void floats(const uint8_t* codes, const float* table, float* to, int64_t cells) {
    const __m512 t0 = _mm512_loadu_ps(table), t1 = _mm512_loadu_ps(table + 16), t2 = _mm512_loadu_ps(table + 32),
                 t3 = _mm512_loadu_ps(table + 48);
    for (int64_t i = 0; i < cells; i += 16) {
        const __mmask16 some = (__mmask16)(cells - i >= 16 ? 0xffff : (1 << (cells - i)) - 1);
        const __m512i code = _mm512_maskz_cvtepu8_epi32(some, _mm_maskz_loadu_epi8(some, codes + i));
        const __m512 low = _mm512_permutex2var_ps(t0, code, t1), high = _mm512_permutex2var_ps(t2, code, t3);
        const __mmask16 is_high = _mm512_test_epi32_mask(code, _mm512_set1_epi32(32));
        _mm512_mask_storeu_ps(to + i, some, _mm512_mask_blend_ps(is_high, low, high));
    }
}

// Sixteen bits of a float are enough of a power of two: 64 entries are two registers.
void pairs(const uint8_t* codes, const float* table, float* to, int64_t cells) {
    uint16_t halves[DECODE_CODES];
    for (int i = 0; i < DECODE_CODES; ++i) {
        uint32_t bits;
        __builtin_memcpy(&bits, table + i, sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
    }
    const __m512i t0 = _mm512_loadu_si512(halves), t1 = _mm512_loadu_si512(halves + 32);
    for (int64_t i = 0; i < cells; i += 16) {
        const __mmask16 some = (__mmask16)(cells - i >= 16 ? 0xffff : (1 << (cells - i)) - 1);
        const __m256i code = _mm256_maskz_loadu_epi16(some, codes + 2 * i);
        const __m512i pair = _mm512_permutex2var_epi16(t0, _mm512_maskz_cvtepu8_epi16(0xffffffffu, code), t1);
        _mm512_mask_storeu_epi32(to + i, some, pair);
    }
}

}  // namespace

extern const DecodeF32 decode_f32_avx512;
const DecodeF32 decode_f32_avx512 = {"decode_f32_avx512", floats, pairs};

}  // namespace dsf
#endif
