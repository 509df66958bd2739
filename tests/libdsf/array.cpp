// array: every array_f32 function of every instruction set of this CPU against the scalar one, for all lengths around
// its vectors, with guard pages around every buffer, into another array and in place.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "guarded.h"
#include "kernels/isa.h"

using namespace dsf;

namespace {

constexpr int64_t LENGTHS[] = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,  23,
                               31, 32, 33, 47, 63, 64, 65, 129, 511, 512, 513, 1100};

float number(int64_t i) { return static_cast<float>(i * 37 % 101) * 0.11f - 5.47f; }  // never 0

void expect_near(const std::string& what, int64_t count, int64_t i, double found, double expected, double size = 1) {
    if (std::fabs(found - expected) <= 2e-6 * (size + std::fabs(expected))) return;
    std::fprintf(stderr, "%s of %ld: element %ld is %.9g, the scalar kernel has %.9g\n", what.c_str(),
                 static_cast<long>(count), static_cast<long>(i), found, expected);
    std::exit(1);
}

// f(kernels, x, y, count) writes y; checked out of place and in place.
using Map = std::function<void(const ArrayF32&, const float* x, float* y, int64_t count)>;

void check_map(const std::string& what, const ArrayF32& kernels, const Map& f) {
    for (int64_t count : LENGTHS)
        for (Guard guard : {Guard::before, Guard::after}) {
            const size_t size = static_cast<size_t>(count);
            Guarded<float> x(size, guard), y(size, guard), expected(size, guard);
            for (int64_t i = 0; i < count; ++i) x[static_cast<size_t>(i)] = number(i);
            f(array_f32_scalar, x.data(), expected.data(), count);
            f(kernels, x.data(), y.data(), count);
            f(kernels, x.data(), x.data(), count);
            for (int64_t i = 0; i < count; ++i) {
                const size_t at = static_cast<size_t>(i);
                expect_near(what, count, i, static_cast<double>(y[at]), static_cast<double>(expected[at]));
                expect_near(what + " in place", count, i, static_cast<double>(x[at]),
                            static_cast<double>(expected[at]));
            }
        }
}

void check_fold(const std::string& what, const ArrayF32& kernels,
                const std::function<double(const ArrayF32&, const float*, int64_t)>& f) {
    for (int64_t count : LENGTHS)
        for (Guard guard : {Guard::before, Guard::after}) {
            Guarded<float> x(static_cast<size_t>(count), guard);
            for (int64_t i = 0; i < count; ++i) x[static_cast<size_t>(i)] = number(i);
            expect_near(what, count, 0, f(kernels, x.data(), count), f(array_f32_scalar, x.data(), count),
                        static_cast<double>(count));
        }
}

// NaN stays NaN and a zero keeps its sign between the bounds, in a vector and beside one.
void check_special(const ArrayF32& kernels) {
    constexpr int64_t COUNT = 19;
    float x[COUNT], y[COUNT];
    for (auto function : {&ArrayF32::exp, &ArrayF32::tanh, &ArrayF32::sigmoid, &ArrayF32::erf, &ArrayF32::gelu,
                          &ArrayF32::gelu_tanh, &ArrayF32::hard_swish}) {
        std::fill(x, x + COUNT, std::nanf(""));
        (kernels.*function)(x, y, COUNT);
        for (int64_t i = 0; i < COUNT; ++i) expect_near("NaN", COUNT, i, std::isnan(y[i]), 1);
    }
    for (int64_t count : LENGTHS)
        for (int64_t nan = 0; nan < count; ++nan) {
            std::vector<float> numbers(static_cast<size_t>(count), 1.0f);
            numbers[static_cast<size_t>(nan)] = std::nanf("");
            expect_near("max beside NaN", count, nan, std::isnan(kernels.max(numbers.data(), count)), 1);
        }
    kernels.clip(x, -1, 2, y, COUNT);
    for (int64_t i = 0; i < COUNT; ++i) expect_near("clip of NaN", COUNT, i, std::isnan(y[i]), 1);
    for (float zero : {0.0f, -0.0f}) {
        std::fill(x, x + COUNT, -zero);
        kernels.clip(x, zero, 2, y, COUNT);
        for (int64_t i = 0; i < COUNT; ++i) expect_near("clip of 0", COUNT, i, std::signbit(y[i]), std::signbit(-zero));
    }
}

using Unary = void (*ArrayF32::*)(const float*, float*, int64_t);
using Binary = void (*ArrayF32::*)(const float*, int64_t, const float*, int64_t, float*, int64_t);

void check_all(const ArrayF32& kernels) {
    const std::pair<const char*, Unary> unary[] = {{"exp", &ArrayF32::exp},
                                                   {"tanh", &ArrayF32::tanh},
                                                   {"sigmoid", &ArrayF32::sigmoid},
                                                   {"erf", &ArrayF32::erf},
                                                   {"gelu", &ArrayF32::gelu},
                                                   {"gelu_tanh", &ArrayF32::gelu_tanh},
                                                   {"hard_swish", &ArrayF32::hard_swish}};
    for (auto [what, function] : unary)
        check_map(what, kernels,
                  [f = function](const ArrayF32& k, const float* x, float* y, int64_t n) { (k.*f)(x, y, n); });
    check_map("log", kernels, [](const ArrayF32& k, const float* x, float* y, int64_t n) {
        k.multiply(x, 1, x, 1, y, n);
        k.log(y, y, n);
    });
    const std::pair<const char*, Binary> binary[] = {{"add", &ArrayF32::add},
                                                     {"subtract", &ArrayF32::subtract},
                                                     {"multiply", &ArrayF32::multiply},
                                                     {"divide", &ArrayF32::divide}};
    for (auto [what, function] : binary) {
        const float three = 3;
        check_map(what, kernels,
                  [f = function](const ArrayF32& k, const float* x, float* y, int64_t n) { (k.*f)(x, 1, x, 1, y, n); });
        check_map(what, kernels, [f = function, &three](const ArrayF32& k, const float* x, float* y, int64_t n) {
            (k.*f)(x, 1, &three, 0, y, n);
        });
        check_map(what, kernels, [f = function, &three](const ArrayF32& k, const float* x, float* y, int64_t n) {
            (k.*f)(&three, 0, x, 1, y, n);
        });
        check_map(what, kernels,
                  [f = function](const ArrayF32& k, const float* x, float* y, int64_t n) { (k.*f)(x, 1, x, 0, y, n); });
    }
    check_map("clip", kernels, [](const ArrayF32& k, const float* x, float* y, int64_t n) { k.clip(x, -1, 2, y, n); });
    check_map("normalize", kernels,
              [](const ArrayF32& k, const float* x, float* y, int64_t n) { k.normalize(x, 0.5f, 1.5f, x, x, y, n); });
    check_map("normalize without bias", kernels, [](const ArrayF32& k, const float* x, float* y, int64_t n) {
        k.normalize(x, 0.5f, 1.5f, x, nullptr, y, n);
    });
    check_map("exp_sum", kernels, [](const ArrayF32& k, const float* x, float* y, int64_t n) {
        const float sum = static_cast<float>(k.exp_sum(x, 5, y, n));
        k.divide(y, 1, &sum, 0, y, n);
    });
    check_fold("max", kernels,
               [](const ArrayF32& k, const float* x, int64_t n) { return static_cast<double>(k.max(x, n)); });
    check_fold("sum", kernels, [](const ArrayF32& k, const float* x, int64_t n) { return k.sum(x, n); });
    check_fold("sum_squares", kernels,
               [](const ArrayF32& k, const float* x, int64_t n) { return k.sum_squares(x, 0.25f, n); });
    for (int64_t rows : {1, 3, 70})
        check_fold("add_rows", kernels, [rows](const ArrayF32& k, const float* x, int64_t n) {
            const int64_t columns =
                std::max<int64_t>(1, n / rows);  // rows one after the other, the last ends at the page
            const int64_t some = std::min(rows, n / columns);
            Guarded<double> sums(static_cast<size_t>(columns), Guard::after);
            k.add_rows(x + n - some * columns, columns, some, sums.data(), columns);
            return sums[static_cast<size_t>(columns) - 1] + sums[0];
        });
}

}  // namespace

int main() {
    for (int row = 0; row < isa_count(); ++row) {
        if (!isa_at(row).available()) continue;
        check_all(*isa_at(row).array);
        check_special(*isa_at(row).array);
        std::printf("%s: %s agrees\n", isa_at(row).name, isa_at(row).array->name);
    }
    return 0;
}
