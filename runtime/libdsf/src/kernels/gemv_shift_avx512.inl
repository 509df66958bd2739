// gemv_shift for AVX-512; with VBMI, multishift finds fields of 4 bits in one step. Before including: GEMV_NAME, GEMV_LABEL.
//
// 16 weights at a time: each 32-bit lane gets a word whose lowest bits are its weight's level (what lies above does not
// matter: tables repeat), permutexvar looks the level up, the sign plane's bits are the mask of an exclusive or.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 finds it in its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include "gemv_shift.inl"

namespace dsf {
namespace {

#define GEMV_INLINE static inline __attribute__((always_inline))

template <class T> GEMV_INLINE T word(const uint8_t* from) {
    T value;
    memcpy(&value, from, sizeof value);
    return value;
}

GEMV_INLINE __m512i lanes() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

// Fields of WIDTH bits of weights 16 * group .. 16 * group + 15 of a block, moved to bit POSITION of their lanes.
template <int WIDTH, int POSITION> GEMV_INLINE __m512i fields(const uint8_t* plane, int group) {
#if defined(__AVX512VBMI__)
    if (WIDTH == 4) {
        const __m512i starts = _mm512_mullo_epi32(lanes(), _mm512_set1_epi32(4));
        return _mm512_multishift_epi64_epi8(starts, _mm512_set1_epi64(word<long long>(plane + group * 8)));
    }
#endif
    __m512i all;
    if (WIDTH == 4)
        all = _mm512_mask_set1_epi32(_mm512_set1_epi32(word<int>(plane + group * 8)), 0xff00,
                                     word<int>(plane + group * 8 + 4));
    else if (WIDTH == 2) all = _mm512_set1_epi32(word<int>(plane + group * 4));
    else all = _mm512_set1_epi16(word<short>(plane + group * 2));
    const __m512i turns = _mm512_sub_epi32(_mm512_mullo_epi32(lanes(), _mm512_set1_epi32(WIDTH)),
                                           _mm512_set1_epi32(POSITION));
    return _mm512_rorv_epi32(all, turns);
}

template <int BITS> struct Levels {
    __m512 low, high;  // values of levels 0-15 and 16-31

    Levels() = default;
    Levels(const ShiftRows& weight, int64_t output) {
        alignas(64) float values[32];
        level_values(weight, output, values);
        low = _mm512_load_ps(values);
        high = _mm512_load_ps(values + 16);
    }

    static inline __attribute__((always_inline)) __m512i index(const CodeBlock& codes, int group) {
        constexpr int LOW = low_width(BITS) ? low_width(BITS) : 1;
        const __m512i levels = fields<LOW, 0>(codes.low, group);
        if (!high_width(BITS)) return levels;
        const __m512i below = _mm512_set1_epi32((1 << LOW) - 1), highest = fields<1, LOW>(codes.high, group);
        return _mm512_ternarylogic_epi32(below, levels, highest, 0xca);  // below ? levels : highest
    }

    __attribute__((always_inline)) __m512 decode(const CodeBlock& codes, int group) const {
        __m512 value = low;
        if (BITS == 6) value = _mm512_permutex2var_ps(low, index(codes, group), high);
        else if (BITS > 1) value = _mm512_permutexvar_ps(index(codes, group), low);
        const __m512 negative = _mm512_castsi512_ps(_mm512_set1_epi32((int)0x80000000));
        return _mm512_mask_xor_ps(value, word<uint16_t>(codes.sign + group * 2), value, negative);
    }
};

// The codes of a block are asked for this much earlier, past the nearer caches: they are read once.
constexpr int AHEAD = 2048;  // bytes of the low plane

template <int BITS> GEMV_INLINE void advance(CodeBlock& codes, int64_t at) {
    constexpr int LOW = low_width(BITS);
    if (LOW) _mm_prefetch((const char*)codes.low + AHEAD, _MM_HINT_NTA);
    if (at % 512 == 0) {  // 64 bytes of 1 bit a weight
        _mm_prefetch((const char*)codes.sign + AHEAD / 4, _MM_HINT_NTA);
        if (high_width(BITS)) _mm_prefetch((const char*)codes.high + AHEAD / 4, _MM_HINT_NTA);
    }
    codes.sign += 8;
    codes.low += 8 * LOW;
    if (high_width(BITS)) codes.high += 8;
}

// Adds the products of ROWS outputs with M rows of x, over weights [k0, k1), to sums.
template <int BITS, int M, int ROWS>
void add_products(const GemvShift& g, int64_t first, int64_t k0, int64_t k1, __m512 (*sums_of)[M]) {
    const float* x = static_cast<const float*>(g.x);
    Levels<BITS> levels[ROWS];
    __m512 sums[ROWS][M];
    CodeBlock codes[ROWS];
    for (int r = 0; r < ROWS; ++r) {
        levels[r] = Levels<BITS>(g.weight, first + r);
        codes[r] = block_of(g.weight, first + r, k0 / GEMV_BLOCK);
        for (int i = 0; i < M; ++i) sums[r][i] = sums_of[r][i];
    }
    const int64_t whole = k1 / GEMV_BLOCK * GEMV_BLOCK;
    for (int64_t at = k0; at < whole; at += GEMV_BLOCK) {
#pragma GCC unroll 4
        for (int group = 0; group < 4; ++group) {
            __m512 inputs[M];
#pragma GCC unroll 8
            for (int i = 0; i < M; ++i) inputs[i] = _mm512_loadu_ps(x + i * g.x_stride + at + group * 16);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; ++r) {
                const __m512 weights = levels[r].decode(codes[r], group);
#pragma GCC unroll 8
                for (int i = 0; i < M; ++i) sums[r][i] = _mm512_fmadd_ps(weights, inputs[i], sums[r][i]);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r) advance<BITS>(codes[r], at);
    }
    for (int r = 0; r < ROWS && whole < k1; ++r) {
        const LastBlock last(g.weight, first + r);
        for (int group = 0; group < 4; ++group) {
            const __m512 weights = levels[r].decode(last.codes(), group);
            for (int i = 0; i < M; ++i)
                sums[r][i] = _mm512_fmadd_ps(weights, _mm512_loadu_ps(x + i * g.x_stride + whole + group * 16), sums[r][i]);
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int i = 0; i < M; ++i) sums_of[r][i] = sums[r][i];
}

// Several rows of x do not fit the first-level cache: then a few outputs at a time go through it block by block.
template <int M> constexpr int64_t weights_at_once() { return M <= 2 ? INT64_MAX / 2 : 8192 / M; }
constexpr int OUTPUTS_AT_ONCE = 16;

template <int BITS, int M> void outputs_from_to(const GemvShift& g, int64_t first, int64_t last) {
    constexpr int ROWS = 4;
    for (; first < last; first += OUTPUTS_AT_ONCE) {
        const int64_t count = last - first < OUTPUTS_AT_ONCE ? last - first : OUTPUTS_AT_ONCE;
        __m512 sums[OUTPUTS_AT_ONCE][M];
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i) sums[r][i] = _mm512_setzero_ps();
        for (int64_t k0 = 0; k0 < g.weight.k;) {
            const int64_t k1 = g.weight.k - k0 > weights_at_once<M>() ? k0 + weights_at_once<M>() : g.weight.k;
            int64_t r = 0;
            for (; count - r >= ROWS; r += ROWS) add_products<BITS, M, ROWS>(g, first + r, k0, k1, sums + r);
            for (; r < count; ++r) add_products<BITS, M, 1>(g, first + r, k0, k1, sums + r);
            k0 = k1;
        }
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i) finish(g, i, first + r, _mm512_reduce_add_ps(sums[r][i]));
    }
}

using Function = void (*)(const GemvShift&, int64_t, int64_t);

#define GEMV_ROW_COUNTS(B) {outputs_from_to<B, 1>, outputs_from_to<B, 2>, outputs_from_to<B, 4>}
const Function FUNCTIONS[6][3] = {GEMV_ROW_COUNTS(1), GEMV_ROW_COUNTS(2), GEMV_ROW_COUNTS(3),
                                  GEMV_ROW_COUNTS(4), GEMV_ROW_COUNTS(5), GEMV_ROW_COUNTS(6)};

void rows(const GemvShift& g, int64_t first, int64_t last) {
    FUNCTIONS[g.weight.bits - 1][g.m == 4 ? 2 : g.m - 1](g, first, last);
}

}  // namespace
}  // namespace dsf
