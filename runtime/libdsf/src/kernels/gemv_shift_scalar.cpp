// gemv_shift for any CPU: what every other version is tested against.
#include "gemv_shift.inl"

namespace dsf {
namespace {

constexpr int LANES = 16;  // partial sums, which the compiler may keep in vectors

// SPREAD[b]: the bits of b, each in a byte of its own.
struct Spread {
    uint64_t bits[256];
    constexpr Spread() : bits{} {
        for (int byte = 0; byte < 256; ++byte)
            for (int bit = 0; bit < 8; ++bit) bits[byte] |= (uint64_t)(byte >> bit & 1) << 8 * bit;
    }
};
constexpr Spread SPREAD;

// Fields of `width` bits of 8 weights, each in a byte of its own.
uint64_t eight(const uint8_t* plane, int width, int group) {
    uint64_t x = 0;
    if (width == 0) return 0;
    if (width == 1) return SPREAD.bits[plane[group]];
    for (int i = 0; i < width; ++i) x |= (uint64_t)plane[group * width + i] << 8 * i;
    if (width == 2) {
        x = (x | x << 24) & 0x000000FF000000FF;
        x = (x | x << 12) & 0x000F000F000F000F;
        return (x | x << 6) & 0x0303030303030303;
    }
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    return (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
}

// table: values of levels, then the same negated.
void add_products(const GemvShift& g, const CodeBlock& codes, const float table[64], int64_t at, float (*sums)[LANES]) {
    const int low = LOW_WIDTH[g.weight.bits], high = HIGH_WIDTH[g.weight.bits];
    const float* x = static_cast<const float*>(g.x);
    float weights[GEMV_BLOCK];
    for (int group = 0; group < GEMV_BLOCK / 8; ++group) {
        uint64_t bytes = eight(codes.low, low, group) | eight(codes.high, high, group) << low;
        bytes |= eight(codes.sign, 1, group) << 5;
        for (int i = 0; i < 8; ++i) weights[group * 8 + i] = table[bytes >> 8 * i & 63];
    }
    for (int row = 0; row < g.m; ++row)
        for (int i = 0; i < GEMV_BLOCK; i += LANES)
            for (int lane = 0; lane < LANES; ++lane)
                sums[row][lane] += weights[i + lane] * x[row * g.x_stride + at + i + lane];
}

void rows(const GemvShift& g, int64_t first, int64_t last) {
    const int64_t whole = g.weight.k / GEMV_BLOCK * GEMV_BLOCK;
    for (int64_t output = first; output < last; ++output) {
        float table[64], sums[GEMV_MOST_ROWS][LANES] = {};
        level_values(g.weight, output, table);
        for (int i = 0; i < 32; ++i) table[i + 32] = -table[i];
        for (int64_t at = 0; at < whole; at += GEMV_BLOCK)
            add_products(g, block_of(g.weight, output, at / GEMV_BLOCK), table, at, sums);
        if (whole < g.weight.k) {
            const LastBlock rest(g.weight, output);
            add_products(g, rest.codes(), table, whole, sums);
        }
        for (int row = 0; row < g.m; ++row) {
            for (int half = LANES / 2; half > 0; half /= 2)
                for (int lane = 0; lane < half; ++lane) sums[row][lane] += sums[row][lane + half];
            finish(g, row, output, sums[row][0]);
        }
    }
}

}  // namespace

extern const GemvShiftF32 gemv_shift_scalar;
const GemvShiftF32 gemv_shift_scalar = {"scalar", 0, rows, nullptr, 0, nullptr, nullptr};

}  // namespace dsf
