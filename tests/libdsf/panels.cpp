// panels: every panel, bfloat16 and decoding kernel that this CPU runs against plain loops, on every size of tile and
// every cut of the last vector, with guard pages around every buffer. Small integers: the answers must be equal.
#include <cmath>
#include <random>
#include <vector>

#include "guarded.h"
#include "kernels/isa.h"
#include "kernels/panels.h"

using namespace dsf;

namespace {

std::mt19937 numbers(2);
float small() { return static_cast<float>(static_cast<int>(numbers() % 15u) - 7); }
void fill(Guarded<float>& array) {
    for (size_t i = 0; i < array.size(); ++i) array[i] = small();
}

struct Case {
    int rows, vectors, last;  // last: columns of the last vector
    int64_t segments, length;
    bool first, epilogue;
    Guard guard;
};

size_t size(int64_t count) { return static_cast<size_t>(count); }

float half(const float* cell, int which) {  // the bfloat16 numbers of a cell
    uint32_t bits;
    std::memcpy(&bits, cell, sizeof bits);
    bits = which ? bits & 0xffff0000u : bits << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// The product of two cells: floats, or pairs.
float product(const float* x, const float* w, bool pairs) {
    return pairs ? half(x, 0) * half(w, 0) + half(x, 1) * half(w, 1) : *x * *w;
}

void pair_up(Guarded<float>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
        uint16_t both[2];
        for (uint16_t& number : both) {
            const float value = small();
            uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            number = static_cast<uint16_t>(bits >> 16);
        }
        std::memcpy(&cells[i], both, sizeof both);
    }
}

void check(const PanelF32& kernel, const Case& c, bool pairs) {
    const int64_t width = c.vectors * kernel.width, columns = width - kernel.width + c.last, k = c.segments * c.length;
    Guarded<float> x(size(c.rows * k), c.guard), b(size(k * width), c.guard), y(size(c.rows * columns), c.guard);
    Guarded<float> residual(size(c.rows * columns), c.guard), scale(size(columns), c.guard),
        bias(size(columns), c.guard);
    for (Guarded<float>* array : {&y, &residual, &bias}) fill(*array);
    for (Guarded<float>* array : {&x, &b}) pairs ? pair_up(*array) : fill(*array);
    for (int64_t j = 0; j < columns; ++j) scale[size(j)] = j % 2 ? 0.5f : 2.0f;
    const std::vector<float> before(y.data(), y.data() + y.size());

    std::vector<const float*> table;
    for (int64_t s = 0; s < c.segments; ++s)
        for (int i = 0; i < c.rows; ++i) table.push_back(x.data() + i * k + s * c.length);
    PanelTile tile{};
    tile.rows = table.data();
    tile.pitch = c.rows;
    tile.segments = c.segments;
    tile.length = c.length;
    tile.b = b.data();
    tile.c = y.data();
    tile.stride = columns;
    tile.columns = static_cast<int>(columns);
    tile.first = c.first;
    tile.last = c.epilogue;
    tile.activation = {Activation::clip, -20, 30};
    tile.scale = scale.data();
    tile.bias = bias.data();
    tile.residual = residual.data();
    kernel.tile(tile, c.rows, c.vectors);

    for (int i = 0; i < c.rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
            const size_t at = size(i * columns + j);
            float sum = c.first ? 0 : before[at];
            for (int64_t t = 0; t < k; ++t) sum += product(&x[size(i * k + t)], &b[size(t * width + j)], pairs);
            if (c.epilogue)
                sum = std::fmin(std::fmax(sum * scale[size(j)] + bias[size(j)] + residual[at], -20.0f), 30.0f);
            if (y[at] != sum) {
                std::fprintf(stderr, "%s %d rows %d vectors %d last: (%d, %ld) is %g, expected %g\n", kernel.name,
                             c.rows, c.vectors, c.last, i, static_cast<long>(j), static_cast<double>(y[at]),
                             static_cast<double>(sum));
                std::exit(1);
            }
        }
}

void check_tiles(const PanelF32& kernel, bool pairs) {
    int turn = 0;
    for (int vectors = 1; vectors <= kernel.vectors; ++vectors)
        for (int rows = 1; rows <= kernel.rows[vectors]; ++rows)
            for (int last = 1; last <= kernel.width; ++last)
                for (auto [segments, length] : {std::pair<int64_t, int64_t>{1, 1}, {1, 19}, {3, 2}, {2, 7}}) {
                    const Guard guard = ++turn % 2 ? Guard::before : Guard::after;
                    check(kernel, {rows, vectors, last, segments, length, turn % 3 != 0, turn % 5 != 0, guard}, pairs);
                }
}

// Activations that are not exact, against the formula.
void check_activations(const PanelF32& kernel) {
    for (Activation::Kind kind : {Activation::silu, Activation::hard_swish})
        for (float value : {-1e30f, -104.0f, -87.5f, -20.0f, -3.1f, -0.3f, 0.0f, 1e-3f, 2.9f, 40.0f, 88.0f, 1e30f}) {
            Guarded<float> x(1, Guard::after), b(size(kernel.width), Guard::after), y(3, Guard::after);
            x[0] = value;
            for (int j = 0; j < kernel.width; ++j) b[size(j)] = 1;
            const float* row = x.data();
            PanelTile tile{};
            tile.rows = &row;
            tile.pitch = tile.segments = tile.length = 1;
            tile.b = b.data();
            tile.c = y.data();
            tile.stride = tile.columns = 3;
            tile.first = tile.last = true;
            tile.activation.kind = kind;
            kernel.tile(tile, 1, 1);
            const double v = static_cast<double>(value);
            const double gate =
                kind == Activation::silu ? 1 / (1 + std::exp(-v)) : std::fmin(std::fmax(v / 6 + 0.5, 0), 1);
            for (size_t j = 0; j < 3; ++j)
                EXPECT(std::fabs(static_cast<double>(y[j]) - v * gate) <=
                       5e-7 * std::fabs(v * gate) + 1e-6 * gate + 1e-35 + (std::fabs(v) < 4 ? 1e-6 : 0));
        }
}

// Whole products: every block of k, every panel, any number of rows.
void check_products(const PanelF32& kernel) {
    for (int64_t columns : {1, 3, 16, 17, 40, 64, 65, 80, 112, 200})
        for (auto [segments, length] : {std::pair<int64_t, int64_t>{1, 3}, {9, 24}, {9, 100}, {1, 700}, {2, 1030}})
            for (int64_t rows : {1, 5, 6, 7, 13, 50}) {
                const PanelProduct product_of(kernel, segments, length, columns);
                const int64_t k = product_of.k();
                std::vector<float> values(size(columns * k)), x(size(rows * k));
                for (float& v : values) v = small();
                for (float& v : x) v = small();
                const auto order = [k = k](int64_t t) { return k - 1 - t; };
                Guarded<float> packed(size(product_of.packed_floats()), Guard::after),
                    y(size(rows * columns), Guard::after);
                for (int p = 0; p < product_of.panels(); ++p)
                    product_of.pack(
                        p, values.data() + product_of.panel(p).column * k, k, order, 1, [](float w) { return w; },
                        packed.data());
                std::vector<const float*> table;
                for (int64_t s = 0; s < segments; ++s)
                    for (int64_t i = 0; i < rows; ++i) table.push_back(x.data() + i * k + s * length);
                PanelWeights weights;
                weights.cells = packed.data();
                weights.cells_end = packed.data() + packed.size();
                product_of.run(weights, {table.data(), rows}, 0, product_of.panels(), {y.data(), columns});
                for (int64_t i = 0; i < rows; ++i)
                    for (int64_t j = 0; j < columns; ++j) {
                        float sum = 0;
                        for (int64_t t = 0; t < k; ++t) sum += x[size(i * k + t)] * values[size(j * k + k - 1 - t)];
                        EXPECT(y[size(i * columns + j)] == sum);
                    }
            }
}

void check_decode(const DecodeF32& kernel) {
    std::vector<float> table(DECODE_CODES);
    for (int i = 0; i < DECODE_CODES; ++i) table[size(i)] = (i % 2 ? -1.0f : 1.0f) * std::ldexp(1.0f, i - 30);
    for (int64_t cells = 1; cells < 70; ++cells)
        for (Guard guard : {Guard::before, Guard::after}) {
            Guarded<uint8_t> codes(size(2 * cells), guard);
            Guarded<float> to(size(cells), guard);
            for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(numbers() % DECODE_CODES);
            kernel.pairs(codes.data(), table.data(), to.data(), cells);
            for (int64_t i = 0; i < cells; ++i)
                for (int which : {0, 1}) EXPECT(half(&to[size(i)], which) == table[codes[size(2 * i + which)]]);
            Guarded<uint8_t> single(size(cells), guard);
            std::memcpy(single.data(), codes.data(), single.size());
            kernel.floats(single.data(), table.data(), to.data(), cells);
            for (int64_t i = 0; i < cells; ++i) EXPECT(to[size(i)] == table[single[size(i)]]);
        }
}

void check_rounding(const PanelBf16& kernel) {
    for (int64_t count = 1; count < 100; ++count)
        for (Guard guard : {Guard::before, Guard::after}) {
            Guarded<float> from(size(count), guard), to(size((count + 1) / 2), guard);
            for (size_t i = 0; i < from.size(); ++i) {
                const uint32_t bits = static_cast<uint32_t>(numbers()) % 0x3f000000u + 0x20000000u;
                std::memcpy(&from[i], &bits, sizeof bits);
            }
            kernel.round(from.data(), count, to.data());
            for (int64_t i = 0; i < (count + 1) / 2 * 2; ++i) {
                uint32_t bits = 0;
                if (i < count) std::memcpy(&bits, &from[size(i)], sizeof bits);
                bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
                float expected;
                std::memcpy(&expected, &bits, sizeof expected);
                EXPECT(half(&to[size(i / 2)], static_cast<int>(i % 2)) == expected);
            }
        }
}

}  // namespace

int main() {
    for (int row = 0; row < isa_count(); ++row) {
        const Isa& isa = isa_at(row);
        if (!isa.available()) continue;
        check_tiles(*isa.panel, false);
        check_activations(*isa.panel);
        check_products(*isa.panel);
        check_decode(*isa.decode);
        if (isa.panel_bf16) {
            check_tiles(isa.panel_bf16->panel, true);
            check_rounding(*isa.panel_bf16);
        }
        std::printf("%s: %s and %s agree\n", isa.name, isa.panel->name, isa.decode->name);
    }
    return 0;
}
