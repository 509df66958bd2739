// gemv_shift for AVX2 with FMA.
//
// 32 weights at a time, a byte each: pshufb looks up the two upper bytes of a level's float32 (all that a power of two
// has), the sign goes into the upper one, and unpacking the bytes puts each pair into the upper half of a 32-bit lane.
// The channel's factor scale * 2^base multiplies the sum. x is brought into the order in which weights come out.
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
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3,
                                             3, 3, 3, 3, 3, 3, 3);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

// Fields of WIDTH bits of weights 32 * half .. 32 * half + 31 of a block, a byte each.
template <int WIDTH> GEMV_INLINE __m256i fields(const uint8_t* plane, int half) {
    if (WIDTH == 1) return _mm256_and_si256(spread_bits(word<uint32_t>(plane + half * 4)), _mm256_set1_epi8(1));
    // Each byte holds four weights: four copies, of which the multiplication moves the wanted two bits to the top.
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6,
                                             6, 6, 6, 7, 7, 7, 7);
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

// The upper halves of 32 floats: of one vector's even lanes after its odd ones, and of another's.
struct Halves {
    __m256i first, second;
};

GEMV_INLINE Halves with_signs(__m256i upper, __m256i lower, __m256i negative) {
    upper = _mm256_or_si256(upper, _mm256_and_si256(negative, _mm256_set1_epi8((char)0x80)));
    return {_mm256_unpacklo_epi8(lower, upper), _mm256_unpackhi_epi8(lower, upper)};
}

// 32 weights of 1 to 4 bits without scale and base.
template <int BITS> GEMV_INLINE Halves decode(const CodeBlock& codes, int half, const Bytes& bytes) {
    constexpr int LOW = LOW_WIDTH[BITS] ? LOW_WIDTH[BITS] : 1;
    __m256i upper = bytes.upper[0], lower = bytes.lower[0];
    if (BITS > 1) {
        __m256i level = fields<LOW>(codes.low, half);
        if (BITS == 4) level = _mm256_or_si256(level, _mm256_slli_epi16(fields<1>(codes.high, half), 2));
        upper = _mm256_shuffle_epi8(bytes.upper[0], level);
        lower = _mm256_shuffle_epi8(bytes.lower[0], level);
    }
    return with_signs(upper, lower, spread_bits(word<uint32_t>(codes.sign + half * 4)));
}

// Bits 2 i + PARITY of 64, each as a byte of all ones or zeros.
template <int PARITY> GEMV_INLINE __m256i every_second_bit(const uint8_t* plane) {
    const __m256i byte_of = _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6,
                                             6, 6, 6, 7, 7, 7, 7);
    const __m256i bit_of = _mm256_set1_epi32(PARITY ? (int)0x80200802 : 0x40100401);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi64x(word<long long>(plane)), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

// 32 weights of 5 or 6 bits: the even or the odd ones of a block.
template <int BITS, int PARITY> GEMV_INLINE Halves decode_nibbles(const CodeBlock& codes, const Bytes& bytes) {
    const __m256i nibbles = _mm256_loadu_si256((const __m256i*)codes.low);
    const __m256i level = _mm256_and_si256(PARITY ? _mm256_srli_epi16(nibbles, 4) : nibbles, _mm256_set1_epi8(15));
    __m256i upper = _mm256_shuffle_epi8(bytes.upper[0], level), lower = _mm256_shuffle_epi8(bytes.lower[0], level);
    if (BITS == 6) {
        const __m256i is_high = every_second_bit<PARITY>(codes.high);
        upper = _mm256_blendv_epi8(upper, _mm256_shuffle_epi8(bytes.upper[1], level), is_high);
        lower = _mm256_blendv_epi8(lower, _mm256_shuffle_epi8(bytes.lower[1], level), is_high);
    }
    return with_signs(upper, lower, every_second_bit<PARITY>(codes.sign));
}

// Which number of a block meets number i of the decoded weights.
int place(int bits, int i) {
    const int lane = i % 8, vector = i / 8 % 4, part = i / 32;
    if (LOW_WIDTH[bits] == 4) return 4 * (lane % 4) + 32 * (lane / 4) + 2 * (vector % 2) + 16 * (vector / 2) + part;
    return 2 * (lane % 4) + 16 * (lane / 4) + vector % 2 + 8 * (vector / 2) + 32 * part;
}

void arrange(int bits, const float* x, float* to, int64_t k) {
    int places[GEMV_BLOCK];
    for (int i = 0; i < GEMV_BLOCK; ++i) places[i] = place(bits, i);
    float last[GEMV_BLOCK] = {};
    for (int64_t at = 0; at < k; at += GEMV_BLOCK) {
        const float* from = x + at;
        if (k - at < GEMV_BLOCK) from = (const float*)memcpy(last, from, (size_t)(k - at) * sizeof *x);
        for (int i = 0; i < GEMV_BLOCK; ++i) to[at + i] = from[places[i]];
    }
}

// Adds the products of 32 weights with M rows of x.
template <int M> GEMV_INLINE void add(const float* x, int64_t x_stride, const Halves& halves, __m256 (&sums)[M]) {
    const __m256i top = _mm256_set1_epi32((int)0xffff0000);
    const __m256 weights[4] = {_mm256_castsi256_ps(_mm256_slli_epi32(halves.first, 16)),
                               _mm256_castsi256_ps(_mm256_and_si256(halves.first, top)),
                               _mm256_castsi256_ps(_mm256_slli_epi32(halves.second, 16)),
                               _mm256_castsi256_ps(_mm256_and_si256(halves.second, top))};
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j)
            sums[i] = _mm256_fmadd_ps(weights[j], _mm256_loadu_ps(x + i * x_stride + j * 8), sums[i]);
}

// Two sums for each row of x: even and odd weights, or halves of a block. They are added at the end.
template <int BITS, int M>
GEMV_INLINE void add_block(const float* x, int64_t x_stride, const CodeBlock& codes, const Bytes& bytes,
                           __m256 (&sums)[2][M]) {
    constexpr bool NIBBLES = LOW_WIDTH[BITS] == 4;
    add<M>(x, x_stride, NIBBLES ? decode_nibbles<BITS, 0>(codes, bytes) : decode<BITS>(codes, 0, bytes), sums[0]);
    add<M>(x + 32, x_stride, NIBBLES ? decode_nibbles<BITS, 1>(codes, bytes) : decode<BITS>(codes, 1, bytes), sums[1]);
}

GEMV_INLINE float add_lanes(__m256 v) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

constexpr int AHEAD = 1024;  // bytes of the low plane that are asked for early

template <int BITS, int M, int ROWS> void outputs(const GemvShift& g, int64_t first) {
    constexpr int LOW = 8 * LOW_WIDTH[BITS], HIGH = 8 * HIGH_WIDTH[BITS];  // bytes of a block
    const Bytes bytes(g.weight);
    const float* x = static_cast<const float*>(g.x);
    const int64_t x_stride = g.x_stride, whole = g.weight.k / GEMV_BLOCK * GEMV_BLOCK;
    __m256 sums[ROWS][2][M];
    CodeBlock codes[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) {
        codes[r] = block_of(g.weight, first + r, 0);
#pragma GCC unroll 4
        for (int i = 0; i < M; ++i) sums[r][0][i] = sums[r][1][i] = _mm256_setzero_ps();
    }
    for (int64_t at = 0; at < whole; at += GEMV_BLOCK)
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r) {
            if (LOW) _mm_prefetch((const char*)codes[r].low + AHEAD, _MM_HINT_NTA);
            add_block<BITS, M>(x + at, x_stride, codes[r], bytes, sums[r]);
            codes[r].sign += 8;
            if (LOW) codes[r].low += LOW;
            if (HIGH) codes[r].high += HIGH;
            asm volatile("" ::: "memory");  // the next row reads x again: kept in registers, it would push the sums out
        }
    if (whole < g.weight.k)
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; ++r)
            add_block<BITS, M>(x + whole, x_stride, LastBlock(g.weight, first + r).codes(), bytes, sums[r]);
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
        for (int i = 0; i < M; ++i) {
            const float sum = add_lanes(_mm256_add_ps(sums[r][0][i], sums[r][1][i]));
            finish(g, i, first + r, scaled(g.weight, first + r, sum));
        }
}

template <int BITS, int M> void outputs_from_to(const GemvShift& g, int64_t first, int64_t last) {
    constexpr int ROWS = M == 1 ? 4 : M == 2 ? 2 : 1;
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
const GemvShiftF32 gemv_shift_avx2 = {"avx2", 8, rows, arrange, 0, nullptr, nullptr};

}  // namespace dsf
#endif
