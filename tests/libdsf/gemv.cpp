// gemv: every gemv_shift kernel that this CPU runs against plain loops in double, on every shape class around its
// unrolling, with guard pages around every buffer. Integer activations and scales of 1 must give the same bits.
#include <cmath>
#include <random>
#include <vector>

#include "codecs/planes.h"
#include "guarded.h"
#include "kernels/isa.h"

using namespace dsf;

namespace {

struct Case {
    int bits;
    bool zero;
    int64_t k, outputs;
    int m;
    bool exact;  // small integers and no scale: sums are exact in float32, and in bfloat16
    Guard guard;
};

std::mt19937 numbers(1);
int random_below(int n) { return static_cast<int>(numbers() % static_cast<unsigned>(n)); }

// Planes of random codes: dense rows where k is a multiple of 8, else rows padded to blocks.
struct Weights {
    Guarded<uint8_t> sign, low, high;
    Guarded<int8_t> base;
    Guarded<float> scale;
    ShiftRows rows;
    std::vector<double> values;  // [outputs][k]

    static size_t bytes(const Case& c, int width) {
        const int64_t row = c.k % 8 == 0 ? c.k * width / 8 : (c.k + 63) / 64 * 8 * width;
        return static_cast<size_t>(row * c.outputs);
    }

    explicit Weights(const Case& c)
        : sign(bytes(c, 1), c.guard),
          low(bytes(c, LOW_WIDTH[c.bits]), c.guard),
          high(bytes(c, HIGH_WIDTH[c.bits]), c.guard),
          base(static_cast<size_t>(c.outputs), c.guard),
          scale(static_cast<size_t>(c.outputs), c.guard) {
        auto stride = [&](const Guarded<uint8_t>& plane) { return static_cast<int64_t>(plane.size()) / c.outputs; };
        rows = {sign.data(),
                LOW_WIDTH[c.bits] ? low.data() : nullptr,
                HIGH_WIDTH[c.bits] ? high.data() : nullptr,
                stride(sign),
                stride(low),
                stride(high),
                c.k,
                c.bits,
                c.zero,
                base.data(),
                1,
                c.exact ? nullptr : scale.data(),
                1};
        const int levels = 1 << (c.bits - 1);
        for (int64_t o = 0; o < c.outputs; ++o) {
            const size_t row = static_cast<size_t>(o);
            base[row] = static_cast<int8_t>(c.exact ? levels - 1 : random_below(9) - 6);
            scale[row] = 0.5f + static_cast<float>(random_below(1000)) / 999.0f;
            for (int64_t i = 0; i < c.k; ++i) {
                const int level =
                    random_below(c.exact && levels > 8 ? 8 : levels) + (c.exact && levels > 8 ? levels - 8 : 0);
                const bool is_zero = c.zero && level == levels - 1, negative = !is_zero && random_below(2) == 1;
                put(sign, stride(sign), o, i, 1, negative);
                put(low, stride(low), o, i, LOW_WIDTH[c.bits], level & ((1 << LOW_WIDTH[c.bits]) - 1));
                put(high, stride(high), o, i, HIGH_WIDTH[c.bits], level >> LOW_WIDTH[c.bits]);
                const double value = is_zero ? 0 : std::ldexp(1.0, base[row] - level) * (c.exact ? 1.0f : scale[row]);
                values.push_back(negative ? -value : value);
            }
        }
    }

    static void put(Guarded<uint8_t>& plane, int64_t stride, int64_t row, int64_t i, int width, int field) {
        if (width == 0) return;
        uint8_t& byte = plane[static_cast<size_t>(row * stride + i * width / 8)];
        byte = static_cast<uint8_t>(byte | field << (i * width % 8));
    }
};

double rounded_to_bf16(double x) {
    float value = static_cast<float>(x);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    std::memcpy(&value, &bits, 4);
    return value;
}

void check(const Case& c, const GemvShiftF32& kernel, bool bf16) {
    Weights weights(c);
    const int64_t stride = (c.k + 63) / 64 * 64;
    const size_t m = static_cast<size_t>(c.m), count = m * static_cast<size_t>(c.outputs);
    Guarded<float> x(m * static_cast<size_t>(stride), c.guard), y(count, c.guard), residual(count, c.guard);
    Guarded<float> bias(static_cast<size_t>(c.outputs), c.guard);
    Guarded<uint16_t> half(m * static_cast<size_t>(stride), c.guard);
    Guarded<float> row(static_cast<size_t>(c.k), c.guard), arranged(m * static_cast<size_t>(stride), c.guard);
    for (int i = 0; i < c.m; ++i)
        for (int64_t k = 0; k < c.k; ++k)
            x[static_cast<size_t>(i * stride + k)] =
                static_cast<float>(random_below(15) - 7) * (c.exact ? 1.0f : 0.37f);
    for (size_t i = 0; i < count; ++i) residual[i] = static_cast<float>(random_below(9));
    for (size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(random_below(9));
    GemvShift g{weights.rows, x.data(), stride, c.m,      bias.data(), residual.data(),
                true,         -1e30f,   40.0f,  y.data(), c.outputs};
    for (int64_t i = 0; i < c.m && (bf16 || kernel.arrange); ++i) {
        std::memcpy(row.data(), x.data() + i * stride, row.size() * sizeof(float));
        if (bf16) kernel.arrange_bf16(c.bits, row.data(), half.data() + i * stride, c.k);
        else kernel.arrange(c.bits, row.data(), arranged.data() + i * stride, c.k);
    }
    if (bf16) g.x = half.data();
    else if (kernel.arrange) g.x = arranged.data();
    const int64_t middle = c.outputs / 3;
    for (auto [first, last] : {std::pair<int64_t, int64_t>{middle, c.outputs}, {0, middle}})
        (bf16 ? kernel.rows_bf16 : kernel.rows)(g, first, last);
    for (int i = 0; i < c.m; ++i)
        for (int64_t o = 0; o < c.outputs; ++o) {
            const size_t at = static_cast<size_t>(i * c.outputs + o);
            double sum = 0, size = 0;
            for (int64_t k = 0; k < c.k; ++k) {
                const double input = x[static_cast<size_t>(i * stride + k)];
                const double product =
                    (bf16 ? rounded_to_bf16(input) : input) * weights.values[static_cast<size_t>(o * c.k + k)];
                sum += product;
                size += std::fabs(product);
            }
            const double expected = std::fmin(sum + bias[static_cast<size_t>(o)] + residual[at], 40.0);
            const double bound = c.exact ? 0 : 1e-6 * (size + 20);
            if (!(std::fabs(y[at] - expected) <= bound)) {
                std::fprintf(stderr, "%s%s bits %d zero %d k %ld outputs %ld m %d: output %ld is %g, expected %g\n",
                             kernel.name, bf16 ? " bf16" : "", c.bits, c.zero, static_cast<long>(c.k),
                             static_cast<long>(c.outputs), c.m, static_cast<long>(o), static_cast<double>(y[at]),
                             expected);
                std::exit(1);
            }
        }
}

}  // namespace

int main() {
    const int64_t sizes[] = {1, 7, 8, 9, 16, 40, 56, 63, 64, 65, 72, 120, 127, 128, 129, 200, 512, 1000, 2120};
    long cases = 0;
    for (int row = 0; row < isa_count(); ++row) {
        const Isa& isa = isa_at(row);
        if (!isa.available()) continue;
        for (int bits = 1; bits <= 6; ++bits)
            for (bool zero : {false, true})
                for (int64_t k : sizes)
                    for (int64_t outputs : {1, 2, 3, 4, 5, 7, 17, 35})
                        for (int m : {1, 2, 4}) {
                            if ((zero && bits == 1) || (k > 200 && outputs > 7 && m != 4)) continue;
                            for (bool exact : {true, false}) {
                                const Case c{
                                    bits, zero, k, outputs, m, exact, cases % 2 ? Guard::before : Guard::after};
                                check(c, *isa.gemv, false);
                                if (isa.gemv->rows_bf16) check(c, *isa.gemv, true);
                                ++cases;
                            }
                        }
        std::printf("%s: gemv %s agrees\n", isa.name, isa.gemv->name);
    }
    return 0;
}
