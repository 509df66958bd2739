// gemv_shift for aarch64.
//
// 16 weights at a time, a byte each: tbl looks up the two upper bytes of a level's float32 (all that a power of two has),
// the sign goes into the upper one, zip makes 16-bit halves of them, and a widening shift puts those into the upper half
// of 32-bit lanes. The channel's factor scale * 2^base multiplies the sum. Of 5 and 6 bits a weight, the 16 are the even or
// the odd ones of 32, in which order x is brought once.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "gemv_shift.inl"

namespace dsf {
namespace {

#define GEMV_INLINE static inline __attribute__((always_inline))

// 16 bits, each as a byte of all ones or zeros, in order.
GEMV_INLINE uint8x16_t spread_bits(const uint8_t* from) {
    const uint8x16_t bit_of = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vtstq_u8(vcombine_u8(vdup_n_u8(from[0]), vdup_n_u8(from[1])), bit_of);
}

// Fields of WIDTH bits of weights 16 * group .. 16 * group + 15 of a block, a byte each.
template <int WIDTH> GEMV_INLINE uint8x16_t fields(const uint8_t* plane, int group) {
    if (WIDTH == 1) return vandq_u8(spread_bits(plane + group * 2), vdupq_n_u8(1));
    static const uint8_t byte_of[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int8_t shift_of[16] = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    uint32_t word;
    memcpy(&word, plane + group * 4, sizeof word);
    const uint8x16_t bytes = vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(word)), vld1q_u8(byte_of));
    return vandq_u8(vshlq_u8(bytes, vld1q_s8(shift_of)), vdupq_n_u8(3));
}

// The upper two bytes of 2^-level for levels 0-31.
struct Bytes {
    uint8x16x2_t upper, lower;

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
            upper.val[i] = vld1q_u8(high + i * 16);
            lower.val[i] = vld1q_u8(low + i * 16);
        }
    }
};

GEMV_INLINE void with_signs(uint8x16_t upper, uint8x16_t lower, uint8x16_t negative, float32x4_t weights[4]) {
    upper = vbslq_u8(vdupq_n_u8(0x80), negative, upper);
    const uint16x8_t first = vreinterpretq_u16_u8(vzip1q_u8(lower, upper));
    const uint16x8_t second = vreinterpretq_u16_u8(vzip2q_u8(lower, upper));
    weights[0] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(first), 16));
    weights[1] = vreinterpretq_f32_u32(vshll_high_n_u16(first, 16));
    weights[2] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(second), 16));
    weights[3] = vreinterpretq_f32_u32(vshll_high_n_u16(second, 16));
}

// Weights 16 * group .. of a block, of 1 to 4 bits, without scale and base, in order.
template <int BITS>
GEMV_INLINE void decode(const CodeBlock& codes, int group, const Bytes& bytes, float32x4_t weights[4]) {
    constexpr int LOW = LOW_WIDTH[BITS] ? LOW_WIDTH[BITS] : 1;
    uint8x16_t upper = bytes.upper.val[0], lower = bytes.lower.val[0];
    if (BITS > 1) {
        uint8x16_t level = fields<LOW>(codes.low, group);
        if (HIGH_WIDTH[BITS]) level = vorrq_u8(level, vshlq_n_u8(fields<1>(codes.high, group), LOW));
        upper = vqtbl1q_u8(upper, level);
        lower = vqtbl1q_u8(lower, level);
    }
    with_signs(upper, lower, spread_bits(codes.sign + group * 2), weights);
}

// 32 bits of which bytes 4 i .. 4 i + 3 hold byte i.
GEMV_INLINE uint8x16_t four_times(const uint8_t* from) {
    static const uint8_t byte_of[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(word)), vld1q_u8(byte_of));
}

// Weights of 5 or 6 bits: the even (group 0 and 2) or the odd ones of 32, without scale and base.
template <int BITS>
GEMV_INLINE void decode_nibbles(const CodeBlock& codes, int group, const Bytes& bytes, float32x4_t weights[4]) {
    const int part = group / 2, odd = group % 2;
    const uint8x16_t nibbles = vld1q_u8(codes.low + part * 16);
    const uint8x16_t bit_of = vreinterpretq_u8_u32(vdupq_n_u32(odd ? 0x80200802 : 0x40100401));
    uint8x16_t level = odd ? vshrq_n_u8(nibbles, 4) : vandq_u8(nibbles, vdupq_n_u8(15));
    if (BITS == 6) level = vbslq_u8(vdupq_n_u8(16), vtstq_u8(four_times(codes.high + part * 4), bit_of), level);
    const uint8x16_t upper = BITS == 6 ? vqtbl2q_u8(bytes.upper, level) : vqtbl1q_u8(bytes.upper.val[0], level);
    const uint8x16_t lower = BITS == 6 ? vqtbl2q_u8(bytes.lower, level) : vqtbl1q_u8(bytes.lower.val[0], level);
    with_signs(upper, lower, vtstq_u8(four_times(codes.sign + part * 4), bit_of), weights);
}

void arrange(int bits, const float* x, float* to, int64_t k) {
    float last[GEMV_BLOCK] = {};
    for (int64_t at = 0; at < k; at += GEMV_BLOCK) {
        const float* from = x + at;
        if (k - at < GEMV_BLOCK) from = (const float*)memcpy(last, from, (size_t)(k - at) * sizeof *x);
        if (LOW_WIDTH[bits] < 4) {
            memcpy(to + at, from, sizeof last);
            continue;
        }
        for (int part = 0; part < GEMV_BLOCK; part += 32)
            for (int i = 0; i < 16; i += 4) {
                const float32x4x2_t pairs = vld2q_f32(from + part + 2 * i);
                vst1q_f32(to + at + part + i, pairs.val[0]);
                vst1q_f32(to + at + part + 16 + i, pairs.val[1]);
            }
    }
}

template <int BITS, int M>
GEMV_INLINE void add_block(const GemvShift& g, const CodeBlock& codes, const Bytes& bytes, int64_t at,
                           float32x4_t (&sums)[M][4]) {
    const float* x = static_cast<const float*>(g.x);
#pragma GCC unroll 4
    for (int group = 0; group < 4; ++group) {
        float32x4_t weights[4];
        if (LOW_WIDTH[BITS] == 4) decode_nibbles<BITS>(codes, group, bytes, weights);
        else decode<BITS>(codes, group, bytes, weights);
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < 4; ++j)
                sums[i][j] = vfmaq_f32(sums[i][j], weights[j], vld1q_f32(x + i * g.x_stride + at + group * 16 + j * 4));
    }
}

template <int BITS, int M> void outputs_from_to(const GemvShift& g, int64_t first, int64_t last) {
    const Bytes bytes(g.weight);
    const int64_t whole = g.weight.k / GEMV_BLOCK;
    for (int64_t output = first; output < last; ++output) {
        float32x4_t sums[M][4];
        for (int i = 0; i < M; ++i)
            for (int j = 0; j < 4; ++j) sums[i][j] = vdupq_n_f32(0);
        for (int64_t block = 0; block < whole; ++block)
            add_block<BITS, M>(g, block_of(g.weight, output, block), bytes, block * GEMV_BLOCK, sums);
        if (whole * GEMV_BLOCK < g.weight.k) {
            const LastBlock last_block(g.weight, output);
            add_block<BITS, M>(g, last_block.codes(), bytes, whole * GEMV_BLOCK, sums);
        }
        for (int i = 0; i < M; ++i) {
            const float32x4_t sum = vaddq_f32(vaddq_f32(sums[i][0], sums[i][1]), vaddq_f32(sums[i][2], sums[i][3]));
            finish(g, i, output, scaled(g.weight, output, vaddvq_f32(sum)));
        }
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

extern const GemvShiftF32 gemv_shift_neon;
const GemvShiftF32 gemv_shift_neon = {"neon", 8, rows, arrange, 0, nullptr, nullptr};

}  // namespace dsf
#endif
