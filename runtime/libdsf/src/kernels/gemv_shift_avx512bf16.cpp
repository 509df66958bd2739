// gemv_shift for AVX-512 with VBMI and BF16: the float32 kernel with multishift, and one for bfloat16 activations.
//
// A bfloat16 is the upper half of a float32, so a power of two is exact in it. 32 weights at a time: permutexvar looks
// the 16-bit values of levels up, with base and scale left out; the channel's factor scale * 2^base multiplies the sum.
#if defined(__x86_64__)
#include "gemv_shift_avx512.inl"

namespace dsf {
namespace {

// Fields of WIDTH bits of weights 32 * half .. 32 * half + 31 of a block, moved to bit POSITION of 16-bit lanes.
template <int WIDTH, int POSITION> GEMV_INLINE __m512i fields_16(const uint8_t* plane, int half) {
    const __m512i words = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12,
                                           11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i starts = _mm512_sub_epi16(_mm512_mullo_epi16(words, _mm512_set1_epi16(WIDTH)),
                                            _mm512_set1_epi16(POSITION - (WIDTH == 1 ? 32 * half : 0)));
    __m512i all;
    if (WIDTH == 4)
        all = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1),
                                       _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)(plane + half * 16))));
    else if (WIDTH == 2) all = _mm512_set1_epi64(word<long long>(plane + half * 8));
    else all = _mm512_set1_epi64(word<long long>(plane));
    return _mm512_multishift_epi64_epi8(starts, all);
}

template <int BITS> GEMV_INLINE __m512bh decode_bf16(const CodeBlock& codes, int half, __m512i table) {
    constexpr int LOW = low_width(BITS) ? low_width(BITS) : 1;
    __m512i value = table;
    if (BITS > 1) {
        __m512i index = fields_16<LOW, 0>(codes.low, half);
        if (high_width(BITS)) {
            const __m512i below = _mm512_set1_epi16((1 << LOW) - 1), highest = fields_16<1, LOW>(codes.high, half);
            index = _mm512_ternarylogic_epi32(below, index, highest, 0xca);  // below ? index : highest
        }
        value = _mm512_permutexvar_epi16(index, table);
    }
    const __m512i negative = _mm512_set1_epi16((short)0x8000);
    return (__m512bh)_mm512_mask_add_epi16(value, word<uint32_t>(codes.sign + half * 4), value, negative);
}

// 2^-level for every level, as bfloat16, repeated to 32 entries.
GEMV_INLINE __m512i powers(const ShiftRows& weight) {
    const int levels = 1 << (weight.bits - 1);
    alignas(64) uint16_t values[32];
    for (int i = 0; i < 32; ++i) {
        const int level = i & (levels - 1);
        values[i] = weight.zero && level == levels - 1 ? 0 : (uint16_t)((127 - level) << 7);
    }
    return _mm512_load_si512(values);
}

template <int BITS, int M, int ROWS>
void add_products_bf16(const GemvShift& g, int64_t first, int64_t k0, int64_t k1, __m512 (*sums_of)[M]) {
    const uint16_t* x = static_cast<const uint16_t*>(g.x);
    const __m512i table = powers(g.weight);
    __m512 sums[ROWS][M];
    CodeBlock codes[ROWS];
    for (int r = 0; r < ROWS; ++r) {
        codes[r] = block_of(g.weight, first + r, k0 / GEMV_BLOCK);
        for (int i = 0; i < M; ++i) sums[r][i] = sums_of[r][i];
    }
    const int64_t whole = k1 / GEMV_BLOCK * GEMV_BLOCK;
    for (int64_t at = k0; at < whole; at += GEMV_BLOCK) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            __m512bh inputs[M];
#pragma GCC unroll 8
            for (int i = 0; i < M; ++i)
                inputs[i] = (__m512bh)_mm512_loadu_si512(x + i * g.x_stride + at + half * 32);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; ++r) {
                const __m512bh weights = decode_bf16<BITS>(codes[r], half, table);
#pragma GCC unroll 8
                for (int i = 0; i < M; ++i) sums[r][i] = _mm512_dpbf16_ps(sums[r][i], inputs[i], weights);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r) advance<BITS>(codes[r], at);
    }
    for (int r = 0; r < ROWS && whole < k1; ++r) {
        const LastBlock last(g.weight, first + r);
        for (int half = 0; half < 2; ++half) {
            const __m512bh weights = decode_bf16<BITS>(last.codes(), half, table);
            for (int i = 0; i < M; ++i) {
                const __m512bh input = (__m512bh)_mm512_loadu_si512(x + i * g.x_stride + whole + half * 32);
                sums[r][i] = _mm512_dpbf16_ps(sums[r][i], input, weights);
            }
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int i = 0; i < M; ++i) sums_of[r][i] = sums[r][i];
}

template <int BITS, int M> void outputs_bf16_from_to(const GemvShift& g, int64_t first, int64_t last) {
    constexpr int ROWS = 4;
    for (; first < last; first += OUTPUTS_AT_ONCE) {
        const int64_t count = last - first < OUTPUTS_AT_ONCE ? last - first : OUTPUTS_AT_ONCE;
        __m512 sums[OUTPUTS_AT_ONCE][M];
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i) sums[r][i] = _mm512_setzero_ps();
        for (int64_t k0 = 0; k0 < g.weight.k;) {
            constexpr int64_t step = 2 * weights_at_once<M>();
            const int64_t k1 = g.weight.k - k0 > step ? k0 + step : g.weight.k;
            int64_t r = 0;
            for (; count - r >= ROWS; r += ROWS) add_products_bf16<BITS, M, ROWS>(g, first + r, k0, k1, sums + r);
            for (; r < count; ++r) add_products_bf16<BITS, M, 1>(g, first + r, k0, k1, sums + r);
            k0 = k1;
        }
        for (int64_t r = 0; r < count; ++r) {
            const int64_t output = first + r;
            const double scale = g.weight.scale ? g.weight.scale[output * g.weight.scale_step] : 1.0f;
            const double factor = ldexp(scale, g.weight.base[output * g.weight.base_step]);
            for (int i = 0; i < M; ++i) finish(g, i, output, (float)(factor * _mm512_reduce_add_ps(sums[r][i])));
        }
    }
}

#define GEMV_BF16_ROW_COUNTS(B) {outputs_bf16_from_to<B, 1>, outputs_bf16_from_to<B, 2>, outputs_bf16_from_to<B, 4>}
const Function FUNCTIONS_BF16[6][3] = {GEMV_BF16_ROW_COUNTS(1), GEMV_BF16_ROW_COUNTS(2), GEMV_BF16_ROW_COUNTS(3),
                                       GEMV_BF16_ROW_COUNTS(4), GEMV_BF16_ROW_COUNTS(5), GEMV_BF16_ROW_COUNTS(6)};

void rows_bf16(const GemvShift& g, int64_t first, int64_t last) {
    FUNCTIONS_BF16[g.weight.bits - 1][g.m == 4 ? 2 : g.m - 1](g, first, last);
}

void to_bf16(const float* x, uint16_t* y, int64_t count) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm256_storeu_si256((__m256i*)(y + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    if (i == count) return;
    const __mmask16 rest = (__mmask16)((1u << (count - i)) - 1);
    _mm256_mask_storeu_epi16(y + i, rest, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, x + i)));
}

}  // namespace

extern const GemvShiftF32 gemv_shift_avx512bf16;
const GemvShiftF32 gemv_shift_avx512bf16 = {"avx512vbmi", 24, rows, rows_bf16, to_bf16};

}  // namespace dsf
#endif
