// gemv_shift for AVX-512 with VBMI and BF16: the float32 kernels, and those for bfloat16 activations.
//
// A bfloat16 is the upper half of a float32, so a power of two is exact in it. 1 to 4 bits, 32 weights at a time:
// permutexvar looks the 16-bit values of levels up, with base and scale left out; the channel's factor scale * 2^base
// multiplies the sum.
#if defined(__x86_64__)
#include "gemv_shift_avx512.inl"

namespace dsf {
namespace {

// Fields of WIDTH bits of weights 32 * half .. 32 * half + 31 of a block, moved to bit POSITION of 16-bit lanes.
template <int WIDTH, int POSITION> GEMV_INLINE __m512i fields_16(const uint8_t* plane, int half) {
    const __m512i words = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                                           12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i starts = _mm512_sub_epi16(_mm512_mullo_epi16(words, _mm512_set1_epi16(WIDTH)),
                                            _mm512_set1_epi16(POSITION - (WIDTH == 1 ? 32 * half : 0)));
    __m512i all;
    if (WIDTH == 2) all = _mm512_set1_epi64(word<long long>(plane + half * 8));
    else all = _mm512_set1_epi64(word<long long>(plane));
    return _mm512_multishift_epi64_epi8(starts, all);
}

template <int BITS> GEMV_INLINE __m512bh decode_bf16(const CodeBlock& codes, int half, __m512i table) {
    constexpr int LOW = LOW_WIDTH[BITS] ? LOW_WIDTH[BITS] : 1;
    __m512i value = table;
    if (BITS > 1) {
        __m512i index = fields_16<LOW, 0>(codes.low, half);
        if (HIGH_WIDTH[BITS]) {
            const __m512i below = _mm512_set1_epi16((1 << LOW) - 1), highest = fields_16<1, LOW>(codes.high, half);
            index = _mm512_ternarylogic_epi32(below, index, highest, 0xca);  // below ? index : highest
        }
        value = _mm512_permutexvar_epi16(index, table);
    }
    const __m512i negative = _mm512_set1_epi16((short)0x8000);
    return (__m512bh)_mm512_mask_add_epi16(value, word<uint32_t>(codes.sign + half * 4), value, negative);
}

template <int BITS, int M, int ROWS>
void add_products_bf16(const GemvShift& g, int64_t first, int64_t k0, int64_t k1, __m512 (*sums_of)[M]) {
    const uint16_t* x = static_cast<const uint16_t*>(g.x);
    const __m512i table = powers(g.weight, 0);
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
            for (int i = 0; i < M; ++i) inputs[i] = (__m512bh)_mm512_loadu_si512(x + i * g.x_stride + at + half * 32);
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
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i)
                finish(g, i, first + r, scaled(g.weight, first + r, _mm512_reduce_add_ps(sums[r][i])));
    }
}

// The products of a block of levels of 4 bits: even numbers, then odd ones.
struct Bf16Products {
    using Number = uint16_t;
    static constexpr int PARTS = 2;
    using Vector = __m512bh;
    static GEMV_INLINE_METHOD Vector load(const uint16_t* x) { return (Vector)_mm512_loadu_si512(x); }
    template <int PART> static GEMV_INLINE_METHOD Vector weights(const Nibbles& of) {
        return (Vector)(PART == 0 ? of.even : of.odd);
    }
    static GEMV_INLINE_METHOD __m512 add(__m512 sum, Vector x, Vector weights) {
        return _mm512_dpbf16_ps(sum, x, weights);
    }
};

void arrange_bf16(int bits, const float* x, uint16_t* to, int64_t k) {
    for (int64_t at = 0; at < k; at += GEMV_BLOCK) {
        Block block = block_of(x, at, k, LOW_WIDTH[bits] == 4);
        for (int half = 0; half < 2; ++half)
            _mm512_storeu_si512(to + at + half * 32,
                                (__m512i)_mm512_cvtne2ps_pbh(block[2 * half + 1], block[2 * half]));
    }
}

#define GEMV_BF16_ROW_COUNTS(B) {outputs_bf16_from_to<B, 1>, outputs_bf16_from_to<B, 2>, outputs_bf16_from_to<B, 4>}
const Function FUNCTIONS_BF16[6][3] = {GEMV_BF16_ROW_COUNTS(1),       GEMV_BF16_ROW_COUNTS(2),
                                       GEMV_BF16_ROW_COUNTS(3),       GEMV_BF16_ROW_COUNTS(4),
                                       GEMV_NIBBLES(Bf16Products, 5), GEMV_NIBBLES(Bf16Products, 6)};

void rows_bf16(const GemvShift& g, int64_t first, int64_t last) {
    FUNCTIONS_BF16[g.weight.bits - 1][g.m == 4 ? 2 : g.m - 1](g, first, last);
}

}  // namespace

extern const GemvShiftF32 gemv_shift_avx512bf16;
const GemvShiftF32 gemv_shift_avx512bf16 = {"avx512bf16", 16, rows, arrange, 12, rows_bf16, arrange_bf16};

}  // namespace dsf
#endif
