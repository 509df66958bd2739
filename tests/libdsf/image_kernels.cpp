// image_kernels: the kernels of images with channels last, depthwise, Winograd's transforms and pools, of every instruction
// set that this CPU runs, against plain loops; every number of channels around a vector, guard pages around every buffer.
#include <cmath>
#include <random>
#include <vector>

#include "guarded.h"
#include "kernels/isa.h"

using namespace dsf;

namespace {

std::mt19937 numbers(3);
float small() { return static_cast<float>(static_cast<int>(numbers() % 15u) - 7); }
size_t size(int64_t count) { return static_cast<size_t>(count); }
void fill(Guarded<float>& array) {
    for (size_t i = 0; i < array.size(); ++i) array[i] = small();
}

// Every tap lies somewhere in a row of (count - 1) * step + channels floats of its own.
void check_depthwise(const DepthwiseF32& kernel, int taps, int64_t channels, int64_t count, Guard guard) {
    const int64_t step = 2 * channels, row = (count - 1) * step + channels;
    Guarded<float> x(size(taps * row), guard), w(size(taps * channels), guard), y(size(count * channels), guard);
    Guarded<float> bias(size(channels), guard), residual(size(count * channels), guard);
    for (Guarded<float>* array : {&x, &w, &bias, &residual}) fill(*array);
    std::vector<const float*> from;
    for (int t = 0; t < taps; ++t) from.push_back(x.data() + t * row);
    kernel.pixels({from.data(), taps, count, step, channels, channels, w.data(), bias.data(), residual.data(),
                   {Activation::clip, -50, 60}, y.data()});
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            float sum = bias[size(c)] + residual[size(i * channels + c)];
            for (int t = 0; t < taps; ++t) sum += w[size(t * channels + c)] * x[size(t * row + i * step + c)];
            EXPECT(y[size(i * channels + c)] == std::fmin(std::fmax(sum, -50.0f), 60.0f));
        }
}

const double B[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                        {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
const double A[4][6] = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

void check_winograd(const WinogradF32& kernel, int width, int64_t channels, Guard guard) {
    const int64_t whole = (channels + width - 1) / width * width, positions = WINOGRAD_POSITIONS;
    Guarded<float> x(size(positions * channels), guard), v(size(positions * whole), guard);
    fill(x);
    std::vector<const float*> pixels;
    for (int64_t i = 0; i < positions; ++i) pixels.push_back(x.data() + i * channels);
    kernel.input({pixels.data(), channels, v.data(), whole});
    for (int64_t c = 0; c < whole; ++c)
        for (int i = 0; i < 6; ++i)
            for (int j = 0; j < 6; ++j) {
                double sum = 0;
                for (int n = 0; n < 36 && c < channels; ++n)
                    sum += B[i][n / 6] * static_cast<double>(x[size(n * channels + c)]) * B[j][n % 6];
                EXPECT(static_cast<double>(v[size((i * 6 + j) * whole + c)]) == sum);
            }

    for (int rows = 1; rows <= 4; ++rows)
        for (int columns = 1; columns <= 4; ++columns) {
            Guarded<float> y(size(rows * columns * channels), guard), residual(y.size(), guard);
            Guarded<float> bias(size(channels), guard);
            fill(residual);
            fill(bias);
            kernel.output({v.data(), whole, channels, rows, columns, y.data(), columns * channels, channels, bias.data(),
                           residual.data(), {Activation::clip, -3000, 4000}});
            for (int64_t c = 0; c < channels; ++c)
                for (int i = 0; i < rows; ++i)
                    for (int j = 0; j < columns; ++j) {
                        const size_t at = size((i * columns + j) * channels + c);
                        double sum = static_cast<double>(bias[size(c)]) + static_cast<double>(residual[at]);
                        for (int n = 0; n < 36; ++n)
                            sum += A[i][n / 6] * static_cast<double>(v[size(n * whole + c)]) * A[j][n % 6];
                        EXPECT(static_cast<double>(y[at]) == std::fmin(std::fmax(sum, -3000.0), 4000.0));
                    }
        }
}

void check_pool(const PoolF32& kernel, int64_t rows, int64_t columns, int64_t channels, Guard guard) {
    Guarded<float> x(size(std::max<int64_t>(1, rows * columns * channels)), guard), y(size(channels), guard);
    fill(x);
    if (rows * columns > 1) x[size(channels / 2)] = std::nanf("");
    const PoolPixel pixel{x.data(), rows, columns, columns * channels, channels, channels, 4, y.data()};
    for (bool max : {true, false}) {
        (max ? kernel.max : kernel.average)(pixel);
        for (int64_t c = 0; c < channels; ++c) {
            float expected = max ? -INFINITY : 0;
            for (int64_t t = 0; t < rows * columns; ++t) {
                const float v = x[size(t * channels + c)];
                expected = !max ? expected + v : v > expected || v != v ? v : expected;
            }
            if (!max) expected /= 4;
            const float found = y[size(c)];
            EXPECT(found == expected || (found != found && expected != expected));
        }
    }
}

}  // namespace

int main() {
    for (int row = 0; row < isa_count(); ++row) {
        const Isa& isa = isa_at(row);
        if (!isa.available()) continue;
        for (int64_t channels = 1; channels <= 50; ++channels)
            for (Guard guard : {Guard::before, Guard::after}) {
                for (int taps : {1, 3, 9, 10, 25, 49})
                    for (int64_t count : {1, 2, 5}) check_depthwise(*isa.depthwise, taps, channels, count, guard);
                check_winograd(*isa.winograd, isa.panel->width, channels, guard);
                for (int64_t side : {0, 1, 2, 3}) check_pool(*isa.pool, side, 3, channels, guard);
            }
        std::printf("%s: %s, %s and %s agree\n", isa.name, isa.depthwise->name, isa.winograd->name, isa.pool->name);
    }
    return 0;
}
