// gemv_shift for AVX-512.
//
// 1 to 4 bits, 16 weights at a time: each 32-bit lane gets a word whose lowest bits are its weight's level (what lies
// above does not matter: tables repeat), permutexvar looks the level up, the sign plane's bits are the mask of an
// exclusive or. 5 and 6 bits, 64 weights at a time: further down.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 finds it in its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include "gemv_shift.inl"

namespace dsf {
namespace {

#define GEMV_INLINE static inline __attribute__((always_inline))
#define GEMV_INLINE_METHOD inline __attribute__((always_inline))

template <class T> GEMV_INLINE T word(const uint8_t* from) {
    T value;
    memcpy(&value, from, sizeof value);
    return value;
}

GEMV_INLINE __m512i lanes() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

// Fields of WIDTH bits of weights 16 * group .. 16 * group + 15 of a block, moved to bit POSITION of their lanes.
template <int WIDTH, int POSITION> GEMV_INLINE __m512i fields(const uint8_t* plane, int group) {
    __m512i all;
    if (WIDTH == 2) all = _mm512_set1_epi32(word<int>(plane + group * 4));
    else all = _mm512_set1_epi16(word<short>(plane + group * 2));
    const __m512i turns =
        _mm512_sub_epi32(_mm512_mullo_epi32(lanes(), _mm512_set1_epi32(WIDTH)), _mm512_set1_epi32(POSITION));
    return _mm512_rorv_epi32(all, turns);
}

template <int BITS> struct Levels {
    __m512 table;

    Levels() = default;
    Levels(const ShiftRows& weight, int64_t output) {
        alignas(64) float values[32];
        level_values(weight, output, values);
        table = _mm512_load_ps(values);
    }

    static __attribute__((always_inline)) __m512i index(const CodeBlock& codes, int group) {
        constexpr int LOW = LOW_WIDTH[BITS] ? LOW_WIDTH[BITS] : 1;
        const __m512i levels = fields<LOW, 0>(codes.low, group);
        if (!HIGH_WIDTH[BITS]) return levels;
        const __m512i below = _mm512_set1_epi32((1 << LOW) - 1), highest = fields<1, LOW>(codes.high, group);
        return _mm512_ternarylogic_epi32(below, levels, highest, 0xca);  // below ? levels : highest
    }

    __attribute__((always_inline)) __m512 decode(const CodeBlock& codes, int group) const {
        __m512 value = table;
        if (BITS > 1) value = _mm512_permutexvar_ps(index(codes, group), table);
        const __m512 negative = _mm512_castsi512_ps(_mm512_set1_epi32((int)0x80000000));
        return _mm512_mask_xor_ps(value, word<uint16_t>(codes.sign + group * 2), value, negative);
    }
};

// The codes of a block are asked for this much earlier, past the nearer caches: they are read once.
constexpr int AHEAD = 2048;  // bytes of the low plane

template <int BITS> GEMV_INLINE void advance(CodeBlock& codes, int64_t at) {
    constexpr int LOW = LOW_WIDTH[BITS];
    if (LOW) _mm_prefetch((const char*)codes.low + AHEAD, _MM_HINT_NTA);
    if (at % 512 == 0) {  // 64 bytes of 1 bit a weight
        _mm_prefetch((const char*)codes.sign + AHEAD / 4, _MM_HINT_NTA);
        if (HIGH_WIDTH[BITS]) _mm_prefetch((const char*)codes.high + AHEAD / 4, _MM_HINT_NTA);
    }
    codes.sign += 8;
    codes.low += 8 * LOW;
    if (HIGH_WIDTH[BITS]) codes.high += 8;
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
                sums[r][i] =
                    _mm512_fmadd_ps(weights, _mm512_loadu_ps(x + i * g.x_stride + whole + group * 16), sums[r][i]);
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

// Levels of 4 bits and, with 6, one more: 64 weights at a time, in 16-bit lanes. A byte of the low plane, widened, is an
// index for its even weight, for tables repeat; shifted by 4, for its odd one. What is looked up is 2^-level as bfloat16,
// the upper half of a float32; the channel's factor scale * 2^base multiplies the sum.
struct Nibbles {
    __m512i even, odd;  // weights 0, 2, .. 62 and 1, 3, .. 63
};

struct Powers {
    __m512i low, high;  // of levels 0-15 and 16-31
};

// 2^-level as bfloat16, 16 levels repeated.
GEMV_INLINE __m512i powers(const ShiftRows& weight, int first_level) {
    const int levels = 1 << (weight.bits - 1);
    alignas(64) uint16_t values[32];
    for (int i = 0; i < 32; ++i) {
        const int level = (first_level + (i & 15)) & (levels - 1);
        values[i] = weight.zero && level == levels - 1 ? 0 : (uint16_t)((127 - level) << 7);
    }
    return _mm512_load_si512(values);
}

constexpr uint64_t EVEN = 0x5555555555555555;

template <int BITS> GEMV_INLINE Nibbles decode_nibbles(const CodeBlock& codes, const Powers& powers) {
    const __m512i even = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)codes.low));
    const __m512i odd = _mm512_srli_epi16(even, 4);
    Nibbles values = {_mm512_permutexvar_epi16(even, powers.low), _mm512_permutexvar_epi16(odd, powers.low)};
    if (BITS == 6) {
        const uint64_t high = word<uint64_t>(codes.high);
        values.even = _mm512_mask_permutexvar_epi16(values.even, (__mmask32)_pext_u64(high, EVEN), even, powers.high);
        values.odd = _mm512_mask_permutexvar_epi16(values.odd, (__mmask32)_pext_u64(high, ~EVEN), odd, powers.high);
    }
    const __m512i negative = _mm512_set1_epi16((short)0x8000);
    const uint64_t sign = word<uint64_t>(codes.sign);
    values.even = _mm512_mask_add_epi16(values.even, (__mmask32)_pext_u64(sign, EVEN), values.even, negative);
    values.odd = _mm512_mask_add_epi16(values.odd, (__mmask32)_pext_u64(sign, ~EVEN), values.odd, negative);
    return values;
}

// The products of a block with float32 activations, which arrange() has put into this order: 16 numbers each of
// 0, 4, .. 60; 2, 6, .. 62; 1, 5, .. 61; 3, 7, .. 63.
struct FloatProducts {
    using Number = float;
    static constexpr int PARTS = 4;
    using Vector = __m512;
    static GEMV_INLINE_METHOD Vector load(const float* x) { return _mm512_loadu_ps(x); }
    template <int PART> static GEMV_INLINE_METHOD Vector weights(const Nibbles& of) {
        const __m512i pairs = PART < 2 ? of.even : of.odd;
        return _mm512_castsi512_ps(PART % 2 == 0 ? _mm512_slli_epi32(pairs, 16)
                                                 : _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
    }
    static GEMV_INLINE_METHOD __m512 add(__m512 sum, Vector x, Vector weights) {
        return _mm512_fmadd_ps(weights, x, sum);
    }
};

// Even and odd numbers of two vectors.
GEMV_INLINE void part(__m512 a, __m512 b, __m512* even, __m512* odd) {
    const __m512i twice = _mm512_add_epi32(lanes(), lanes());
    *even = _mm512_permutex2var_ps(a, twice, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(twice, _mm512_set1_epi32(1)), b);
}

// The numbers of a block, 16 a vector.
struct Block {
    __m512 numbers[4];
    __m512& operator[](int i) { return numbers[i]; }
};

// Block `at` of x, filled up with zeros: in x's order, or its even numbers and then its odd ones.
GEMV_INLINE Block block_of(const float* x, int64_t at, int64_t k, bool parted) {
    float last[GEMV_BLOCK] = {};
    const float* from = x + at;
    if (k - at < GEMV_BLOCK) from = (const float*)memcpy(last, from, (size_t)(k - at) * sizeof *x);
    Block block;
    for (int i = 0; i < 4; ++i) block[i] = _mm512_loadu_ps(from + i * 16);
    if (!parted) return block;
    Block halves;
    part(block[0], block[1], &halves[0], &halves[2]);
    part(block[2], block[3], &halves[1], &halves[3]);
    return halves;
}

void arrange(int bits, const float* x, float* to, int64_t k) {
    const bool parted = LOW_WIDTH[bits] == 4;
    for (int64_t at = 0; at < k; at += GEMV_BLOCK) {
        Block block = block_of(x, at, k, parted);
        if (parted)
            for (int half = 0; half < 2; ++half)
                part(block[2 * half], block[2 * half + 1], &block[2 * half], &block[2 * half + 1]);
        for (int i = 0; i < 4; ++i) _mm512_storeu_ps(to + at + i * 16, block[i]);
    }
}

// Adds the products of one part of a block, of ROWS outputs with M rows of x.
template <class Products, int PART, int M, int ROWS>
GEMV_INLINE void add_part(const typename Products::Number* x, int64_t x_stride, const Nibbles* of, __m512 (*sums)[M]) {
    if (PART >= Products::PARTS) return;
    typename Products::Vector inputs[M];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) inputs[i] = Products::load(x + i * x_stride + PART * (GEMV_BLOCK / Products::PARTS));
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
        const typename Products::Vector weights = Products::template weights<PART>(of[r]);
#pragma GCC unroll 4
        for (int i = 0; i < M; ++i) sums[r][i] = Products::add(sums[r][i], inputs[i], weights);
    }
}

template <class Products, int M, int ROWS>
GEMV_INLINE void add_block(const typename Products::Number* x, int64_t x_stride, const Nibbles* of, __m512 (*sums)[M]) {
    add_part<Products, 0, M, ROWS>(x, x_stride, of, sums);
    add_part<Products, 1, M, ROWS>(x, x_stride, of, sums);
    add_part<Products, 2, M, ROWS>(x, x_stride, of, sums);
    add_part<Products, 3, M, ROWS>(x, x_stride, of, sums);
}

// Adds the products of ROWS outputs with M rows of x, over weights [k0, k1), to sums. Meanwhile the codes of the next
// ROWS outputs come into the caches.
template <class Products, int BITS, int M, int ROWS>
void add_nibbles(const GemvShift& g, const Powers& powers, int64_t first, int64_t k0, int64_t k1,
                 __m512 (*sums_of)[M]) {
    const auto* x = static_cast<const typename Products::Number*>(g.x);
    __m512 sums[ROWS][M];
    CodeBlock codes[ROWS];
    const int64_t next_low = ROWS * g.weight.low_stride, next_sign = ROWS * g.weight.sign_stride;
    for (int r = 0; r < ROWS; ++r) {
        codes[r] = block_of(g.weight, first + r, k0 / GEMV_BLOCK);
        for (int i = 0; i < M; ++i) sums[r][i] = sums_of[r][i];
    }
    const int64_t whole = k1 / GEMV_BLOCK * GEMV_BLOCK;
    for (int64_t at = k0; at < whole; at += GEMV_BLOCK) {
        Nibbles weights[ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) weights[r] = decode_nibbles<BITS>(codes[r], powers);
        add_block<Products, M, ROWS>(x + at, g.x_stride, weights, sums);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            _mm_prefetch((const char*)codes[r].low + next_low, _MM_HINT_NTA);
            if (at % 512 == 0) {  // 64 bytes of 1 bit a weight
                _mm_prefetch((const char*)codes[r].sign + next_sign, _MM_HINT_NTA);
                if (BITS == 6) _mm_prefetch((const char*)codes[r].high + ROWS * g.weight.high_stride, _MM_HINT_NTA);
            }
            codes[r].sign += 8;
            codes[r].low += 32;
            if (BITS == 6) codes[r].high += 8;
        }
    }
    for (int r = 0; r < ROWS && whole < k1; ++r) {
        const Nibbles weights = decode_nibbles<BITS>(LastBlock(g.weight, first + r).codes(), powers);
        add_block<Products, M, 1>(x + whole, g.x_stride, &weights, sums + r);
    }
    for (int r = 0; r < ROWS; ++r)
        for (int i = 0; i < M; ++i) sums_of[r][i] = sums[r][i];
}

template <class Products, int BITS, int M> void outputs_of_nibbles(const GemvShift& g, int64_t first, int64_t last) {
    constexpr int ROWS = M == 1 ? 8 : 4;
    constexpr int64_t step = weights_at_once<M>() * (Products::PARTS == 2 ? 2 : 1);
    const Powers table = {powers(g.weight, 0), powers(g.weight, 16)};
    for (; first < last; first += OUTPUTS_AT_ONCE) {
        const int64_t count = last - first < OUTPUTS_AT_ONCE ? last - first : OUTPUTS_AT_ONCE;
        __m512 sums[OUTPUTS_AT_ONCE][M];
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i) sums[r][i] = _mm512_setzero_ps();
        for (int64_t k0 = 0; k0 < g.weight.k;) {
            const int64_t k1 = g.weight.k - k0 > step ? k0 + step : g.weight.k;
            int64_t r = 0;
            for (; count - r >= ROWS; r += ROWS)
                add_nibbles<Products, BITS, M, ROWS>(g, table, first + r, k0, k1, sums + r);
            for (; r < count; ++r) add_nibbles<Products, BITS, M, 1>(g, table, first + r, k0, k1, sums + r);
            k0 = k1;
        }
        for (int64_t r = 0; r < count; ++r)
            for (int i = 0; i < M; ++i)
                finish(g, i, first + r, scaled(g.weight, first + r, _mm512_reduce_add_ps(sums[r][i])));
    }
}

using Function = void (*)(const GemvShift&, int64_t, int64_t);

#define GEMV_NIBBLES(P, B) {outputs_of_nibbles<P, B, 1>, outputs_of_nibbles<P, B, 2>, outputs_of_nibbles<P, B, 4>}
#define GEMV_ROW_COUNTS(B) {outputs_from_to<B, 1>, outputs_from_to<B, 2>, outputs_from_to<B, 4>}
const Function FUNCTIONS[6][3] = {GEMV_ROW_COUNTS(1),
                                  GEMV_ROW_COUNTS(2),
                                  GEMV_ROW_COUNTS(3),
                                  GEMV_ROW_COUNTS(4),
                                  GEMV_NIBBLES(FloatProducts, 5),
                                  GEMV_NIBBLES(FloatProducts, 6)};

void rows(const GemvShift& g, int64_t first, int64_t last) {
    FUNCTIONS[g.weight.bits - 1][g.m == 4 ? 2 : g.m - 1](g, first, last);
}

}  // namespace
}  // namespace dsf
