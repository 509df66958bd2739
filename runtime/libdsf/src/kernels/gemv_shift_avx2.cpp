// gemv_shift for AVX2 with FMA.
//
// 32 weights at a time, a byte each: pshufb looks up the two upper bytes of a level's float32 (all that a power of two
// has), the sign goes into the upper one, and unpacking the bytes puts each pair into the upper half of a 32-bit lane.
// The channel's factor scale * 2^base multiplies the sum.
#if defined(__x86_64__)
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

// 32 bits, each as a byte of all ones or zeros, in order.
GEMV_INLINE __m256i spread_bits(uint32_t bits) {
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3,
                                             3, 3, 3, 3, 3, 3);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

// Fields of WIDTH bits of weights 32 * half .. 32 * half + 31 of a block, a byte each.
template <int WIDTH> GEMV_INLINE __m256i fields(const uint8_t* plane, int half) {
    if (WIDTH == 1) return _mm256_and_si256(spread_bits(word<uint32_t>(plane + half * 4)), _mm256_set1_epi8(1));
    if (WIDTH == 4) {
        const __m128i bytes = _mm_loadu_si128((const __m128i*)(plane + half * 16));
        const __m128i mask = _mm_set1_epi8(15);
        const __m128i even = _mm_and_si128(bytes, mask), odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask);
        return _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
    }
    // Each byte holds four weights: four copies, of which the multiplication moves the wanted two bits to the top.
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6,
                                             6, 6, 7, 7, 7, 7);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi64x(word<long long>(plane + half * 8)), byte_of);
    const __m256i low_nibble = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
    const __m256i high_nibble = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    const __m256i nibble = _mm256_blendv_epi8(low_nibble, high_nibble, _mm256_set1_epi32((int)0x80800000));
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(nibble, 2), _mm256_set1_epi8(3));
    const __m256i lower = _mm256_and_si256(nibble, _mm256_set1_epi8(3));
    return _mm256_blendv_epi8(lower, upper, _mm256_set1_epi32((int)0x80008000));
}

// The upper two bytes of 2^-level for levels 0-15 and 16-31.
struct Bytes {
    __m256i upper[2], lower[2];

    explicit Bytes(const ShiftRows& weight) {
        const int levels = 1 << (weight.bits - 1);
        uint8_t high[32], low[32];
        for (int i = 0; i < 32; ++i) {
            const int level = i & (levels - 1);
            const int half = weight.zero && level == levels - 1 ? 0 : (127 - level) << 7;
            high[i] = (uint8_t)(half >> 8);
            low[i] = (uint8_t)half;
        }
        for (int i = 0; i < 2; ++i) {
            upper[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(high + i * 16)));
            lower[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(low + i * 16)));
        }
    }
};

// 32 weights without scale and base, eight a vector, in the order that arrange() gives to activations.
template <int BITS> GEMV_INLINE void decode(const CodeBlock& codes, int half, const Bytes& bytes, __m256 weights[4]) {
    constexpr int LOW = low_width(BITS) ? low_width(BITS) : 1;
    __m256i upper = bytes.upper[0], lower = bytes.lower[0];
    if (BITS > 1) {
        __m256i level = fields<LOW>(codes.low, half);
        if (BITS == 4)
            level = _mm256_or_si256(level, _mm256_slli_epi16(fields<1>(codes.high, half), 2));
        upper = _mm256_shuffle_epi8(bytes.upper[0], level);
        lower = _mm256_shuffle_epi8(bytes.lower[0], level);
        if (BITS == 6) {
            const __m256i is_high = spread_bits(word<uint32_t>(codes.high + half * 4));
            upper = _mm256_blendv_epi8(upper, _mm256_shuffle_epi8(bytes.upper[1], level), is_high);
            lower = _mm256_blendv_epi8(lower, _mm256_shuffle_epi8(bytes.lower[1], level), is_high);
        }
    }
    const __m256i negative = spread_bits(word<uint32_t>(codes.sign + half * 4));
    upper = _mm256_or_si256(upper, _mm256_and_si256(negative, _mm256_set1_epi8((char)0x80)));
    const __m256i top = _mm256_set1_epi32((int)0xffff0000);
    const __m256i first = _mm256_unpacklo_epi8(lower, upper), second = _mm256_unpackhi_epi8(lower, upper);
    weights[0] = _mm256_castsi256_ps(_mm256_slli_epi32(first, 16));
    weights[1] = _mm256_castsi256_ps(_mm256_and_si256(first, top));
    weights[2] = _mm256_castsi256_ps(_mm256_slli_epi32(second, 16));
    weights[3] = _mm256_castsi256_ps(_mm256_and_si256(second, top));
}

// The same order for 32 activations: lane l of vector j is weight 2 * (l % 4) + j % 2 + 8 * (j / 2) + 16 * (l / 4).
GEMV_INLINE void arrange(const float* x, __m256 inputs[4]) {
    const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8), c = _mm256_loadu_ps(x + 16),
                 d = _mm256_loadu_ps(x + 24);
    const __m256 ac = _mm256_permute2f128_ps(a, c, 0x20), ac_high = _mm256_permute2f128_ps(a, c, 0x31);
    const __m256 bd = _mm256_permute2f128_ps(b, d, 0x20), bd_high = _mm256_permute2f128_ps(b, d, 0x31);
    inputs[0] = _mm256_shuffle_ps(ac, ac_high, 0x88);
    inputs[1] = _mm256_shuffle_ps(ac, ac_high, 0xdd);
    inputs[2] = _mm256_shuffle_ps(bd, bd_high, 0x88);
    inputs[3] = _mm256_shuffle_ps(bd, bd_high, 0xdd);
}

constexpr int AHEAD = 1024;  // bytes of the low plane that are asked for early

template <int BITS, int M, int ROWS> void add_block(const GemvShift& g, const CodeBlock (&codes)[ROWS],
                                                    const Bytes& bytes, int64_t at, __m256 (*sums)[M]) {
    const float* x = static_cast<const float*>(g.x);
    for (int half = 0; half < 2; ++half) {
        __m256 weights[ROWS][4];
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r) decode<BITS>(codes[r], half, bytes, weights[r]);
#pragma GCC unroll 4
        for (int i = 0; i < M; ++i) {
            __m256 inputs[4];
            arrange(x + i * g.x_stride + at + half * 32, inputs);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
                for (int j = 0; j < 4; ++j) sums[r][i] = _mm256_fmadd_ps(weights[r][j], inputs[j], sums[r][i]);
        }
    }
}

GEMV_INLINE float add_lanes(__m256 v) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

template <int BITS, int M, int ROWS> void outputs(const GemvShift& g, int64_t first) {
    const Bytes bytes(g.weight);
    __m256 sums[ROWS][M];
    CodeBlock codes[ROWS];
    for (int r = 0; r < ROWS; ++r)
        for (int i = 0; i < M; ++i) sums[r][i] = _mm256_setzero_ps();
    const int64_t whole = g.weight.k / GEMV_BLOCK;
    for (int64_t block = 0; block < whole; ++block) {
        for (int r = 0; r < ROWS; ++r) {
            codes[r] = block_of(g.weight, first + r, block);
            if (codes[r].low) _mm_prefetch((const char*)codes[r].low + AHEAD, _MM_HINT_NTA);
        }
        add_block<BITS, M, ROWS>(g, codes, bytes, block * GEMV_BLOCK, sums);
    }
    for (int r = 0; r < ROWS && whole * GEMV_BLOCK < g.weight.k; ++r) {
        const LastBlock last(g.weight, first + r);
        const CodeBlock codes_of_last[1] = {last.codes()};
        add_block<BITS, M, 1>(g, codes_of_last, bytes, whole * GEMV_BLOCK, sums + r);
    }
    for (int r = 0; r < ROWS; ++r) {
        const int64_t output = first + r;
        for (int i = 0; i < M; ++i) finish(g, i, output, scaled(g.weight, output, add_lanes(sums[r][i])));
    }
}

template <int BITS, int M> void outputs_from_to(const GemvShift& g, int64_t first, int64_t last) {
    constexpr int ROWS = 2;
    for (; last - first >= ROWS; first += ROWS) outputs<BITS, M, ROWS>(g, first);
    for (; first < last; ++first) outputs<BITS, M, 1>(g, first);
}

using Function = void (*)(const GemvShift&, int64_t, int64_t);

#define GEMV_ROW_COUNTS(B) {outputs_from_to<B, 1>, outputs_from_to<B, 2>, outputs_from_to<B, 4>}
const Function FUNCTIONS[6][3] = {GEMV_ROW_COUNTS(1), GEMV_ROW_COUNTS(2), GEMV_ROW_COUNTS(3),
                                  GEMV_ROW_COUNTS(4), GEMV_ROW_COUNTS(5), GEMV_ROW_COUNTS(6)};

void rows(const GemvShift& g, int64_t first, int64_t last) {
    FUNCTIONS[g.weight.bits - 1][g.m == 4 ? 2 : g.m - 1](g, first, last);
}

}  // namespace

extern const GemvShiftF32 gemv_shift_avx2;
const GemvShiftF32 gemv_shift_avx2 = {"avx2", 8, rows, nullptr, 0, nullptr, nullptr};

}  // namespace dsf
#endif
