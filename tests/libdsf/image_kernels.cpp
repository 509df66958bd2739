// image_kernels: the kernels of images with channels last, depthwise, Winograd's transforms, pools and transposes, of every
// instruction set that this CPU runs, against plain loops; every number of channels around a vector, guard pages around
// every buffer.
#include <cmath>
#include <cstring>
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
    const int64_t step = 2 * channels, stride = channels + 3, row = (count - 1) * step + channels;
    Guarded<float> x(size(taps * row), guard), w(size(taps * channels), guard),
        y(size((count - 1) * stride + channels), guard);
    Guarded<float> bias(size(channels), guard), residual(y.size(), guard);
    for (Guarded<float>* array : {&x, &w, &bias, &residual}) fill(*array);
    std::vector<const float*> from;
    for (int t = 0; t < taps; ++t) from.push_back(x.data() + t * row);
    kernel.pixels({from.data(),
                   taps,
                   count,
                   step,
                   channels,
                   stride,
                   channels,
                   w.data(),
                   bias.data(),
                   residual.data(),
                   {Activation::clip, -50, 60},
                   y.data()});
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            float sum = bias[size(c)] + residual[size(i * stride + c)];
            for (int t = 0; t < taps; ++t) sum += w[size(t * channels + c)] * x[size(t * row + i * step + c)];
            EXPECT(y[size(i * stride + c)] == std::fmin(std::fmax(sum, -50.0f), 60.0f));
        }
}

// Pixels have the same bits however many are computed together.
void check_depthwise_alone(const DepthwiseF32& kernel, int taps, int64_t channels) {
    const int64_t count = 19, row = count * channels;
    Guarded<float> x(size(taps * row), Guard::after), w(size(taps * channels), Guard::after);
    Guarded<float> together(size(row), Guard::after), alone(size(row), Guard::after);
    fill(x);
    fill(w);
    for (size_t i = 0; i < w.size(); ++i) w[i] *= 0.1f;
    std::vector<const float*> from(size(taps));
    auto compute = [&](int64_t first, int64_t pixels, float* y) {
        for (int t = 0; t < taps; ++t) from[size(t)] = x.data() + t * row + first * channels;
        kernel.pixels(
            {from.data(), taps, pixels, channels, channels, channels, channels, w.data(), nullptr, nullptr, {}, y});
    };
    compute(0, count, together.data());
    for (int64_t i = 0; i < count; ++i) compute(i, 1, alone.data() + i * channels);
    EXPECT(std::memcmp(together.data(), alone.data(), size(row) * sizeof(float)) == 0);
}

// A plane of one channel: padded, and then the same bits as pixels of an image with one channel have.
void check_plane(const DepthwiseF32& kernel, int side, int64_t rows, int64_t width, int64_t before, Guard guard) {
    const int64_t padded_width = width + side - 1, pitch = padded_pitch(padded_width), after = side - 1 - before;
    const int64_t all = rows + side - 1, input = padded_width - before - after;
    Guarded<float> x(size(all * input), guard), padded(size(all * pitch), guard), w(size(side * side), guard);
    Guarded<float> residual(size(rows * width), guard), y(size(rows * width), guard), expected(y.size(), guard);
    for (Guarded<float>* array : {&x, &w, &residual}) fill(*array);
    for (size_t i = 0; i < w.size(); ++i) w[i] *= 0.1f;
    const bool fused = rows % 2 == 1;
    const Activation activation = fused ? Activation{Activation::clip, -2, 3} : Activation{};
    kernel.pad({x.data(), all, input, before, padded_width, padded.data()});
    kernel.plane({padded.data(), pitch, w.data(), side, 0.3f, fused ? residual.data() : nullptr, activation, y.data(),
                  rows, width});
    for (int64_t i = 0; i < all * pitch; ++i) {
        const int64_t at = i % pitch - before;
        if (i % pitch < padded_width)
            EXPECT(padded[size(i)] == (at >= 0 && at < input ? x[size(i / pitch * input + at)] : 0.0f));
    }
    const float bias = 0.3f;
    std::vector<const float*> taps(size(side * side));
    for (int64_t i = 0; i < rows; ++i) {
        for (int64_t t = 0; t < side * side; ++t) taps[size(t)] = padded.data() + (i + t / side) * pitch + t % side;
        kernel.pixels({taps.data(), side * side, width, 1, 1, 1, 1, w.data(), &bias,
                       fused ? residual.data() + i * width : nullptr, activation, expected.data() + i * width});
    }
    EXPECT(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
}

const double B[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                        {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
const double G[6][3] = {{1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};
const double A32[4][6] = {{6, -4, -4, 1, 1, 0}, {0, -4, 4, 2, -2, 0}, {0, -4, -4, 4, 4, 0}, {0, -4, 4, 8, -8, 24}};

// One tile of a group: V between those of its neighbours, which must stay as they are.
void check_winograd_input(const WinogradF32& kernel, int64_t channels, int tiles, Guard guard) {
    const int64_t chunks = (channels + WINOGRAD_CHUNK - 1) / WINOGRAD_CHUNK, step = tiles * WINOGRAD_CHUNK;
    const int64_t stride = chunks * 6 * step, tile = channels % tiles;
    const int64_t whole = (channels + kernel.width - 1) / kernel.width * kernel.width;
    Guarded<float> x(size(WINOGRAD_POSITIONS * channels), guard), v(size(6 * stride), guard);
    fill(x);
    for (size_t i = 0; i < v.size(); ++i) v[i] = 0.5f;
    std::vector<const float*> pixels;
    for (int64_t i = 0; i < WINOGRAD_POSITIONS; ++i) pixels.push_back(x.data() + i * channels);
    kernel.input({pixels.data(), channels, v.data() + tile * WINOGRAD_CHUNK, stride, tiles});
    for (int64_t at = 0; at < 6 * stride; ++at) {
        const int64_t y = at / stride, x6 = at / step % 6;
        const int64_t c = at % stride / (6 * step) * WINOGRAD_CHUNK + at % WINOGRAD_CHUNK;
        double sum = 0;
        if (at / WINOGRAD_CHUNK % tiles != tile || c >= whole) sum = 0.5;
        else if (c < channels)
            for (int n = 0; n < 36; ++n)
                sum += B[y][n / 6] * static_cast<double>(x[size(n * channels + c)]) * B[x6][n % 6];
        EXPECT(static_cast<double>(v[size(at)]) == sum);
    }
}

// Filters of small powers of two, as codes and as floats, and their products with V.
void check_winograd_product(const WinogradF32& kernel, int64_t channels, int tiles, Guard guard) {
    const int64_t width = kernel.width, stride = channels * 3 * width + 16;
    const int64_t chunks = (channels + WINOGRAD_CHUNK - 1) / WINOGRAD_CHUNK;
    Guarded<uint8_t> codes(size(channels * 9 * width), guard);
    Guarded<float> floats(codes.size(), guard), half(size(6 * stride), guard), m(size(6 * tiles * width), guard);
    Guarded<float> v(size(chunks * 6 * tiles * WINOGRAD_CHUNK), guard);
    fill(v);
    for (size_t i = 0; i < codes.size(); ++i) {
        const unsigned level = static_cast<unsigned>(numbers() % 4u), sign = static_cast<unsigned>(numbers() % 2u);
        codes[i] = static_cast<uint8_t>(level == 3 ? 0 : sign << 7 | (127 - level));
        floats[i] = level == 3 ? 0 : std::ldexp(sign ? -1.0f : 1.0f, -static_cast<int>(level));
    }
    for (bool coded : {true, false}) {
        kernel.filters({coded ? codes.data() : nullptr, coded ? nullptr : floats.data(), channels, half.data(),
                        stride});
        for (int64_t y = 0; y < 6; ++y) {
            fill(m);
            const std::vector<float> before(m.data(), m.data() + m.size());
            const char* const ahead = reinterpret_cast<const char*>(half.data());
            kernel.product({v.data(), half.data() + y * stride, channels, ahead, ahead + 128, m.data(), y % 2 == 0},
                           tiles);
            for (int64_t at = 0; at < 6 * tiles * width; ++at) {
                const int64_t x = at / width / tiles, tile = at / width % tiles, f = at % width;
                double sum = y % 2 ? static_cast<double>(before[size(at)]) : 0;
                for (int64_t c = 0; c < channels; ++c) {
                    double u = 0;
                    for (int n = 0; n < 9; ++n)
                        u += G[y][n / 3] * G[x][n % 3] * static_cast<double>(floats[size((c * 9 + n) * width + f)]);
                    const int64_t line = c / WINOGRAD_CHUNK * 6 * tiles + x * tiles + tile;
                    sum += u * static_cast<double>(v[size(line * WINOGRAD_CHUNK + c % WINOGRAD_CHUNK)]);
                }
                EXPECT(static_cast<double>(m[size(at)]) == sum);
            }
        }
    }
}

void check_winograd_output(const WinogradF32& kernel, int64_t channels, Guard guard) {
    const int64_t whole = (channels + kernel.width - 1) / kernel.width * kernel.width;
    Guarded<float> m(size(WINOGRAD_POSITIONS * whole), guard), scale(size(channels), guard);
    fill(m);
    for (size_t i = 0; i < scale.size(); ++i) scale[i] = i % 2 ? 0.5f : 4.0f;
    for (int rows = 1; rows <= 4; ++rows)
        for (int columns = 1; columns <= 4; ++columns) {
            Guarded<float> y(size(rows * columns * channels), guard), residual(y.size(), guard);
            Guarded<float> bias(size(channels), guard);
            fill(residual);
            fill(bias);
            kernel.output({m.data(),
                           whole,
                           channels,
                           rows,
                           columns,
                           y.data(),
                           columns * channels,
                           channels,
                           scale.data(),
                           bias.data(),
                           residual.data(),
                           {Activation::clip, -30, 40}});
            for (int64_t c = 0; c < channels; ++c)
                for (int i = 0; i < rows; ++i)
                    for (int j = 0; j < columns; ++j) {
                        const size_t at = size((i * columns + j) * channels + c);
                        double sum = 0;
                        for (int n = 0; n < 36; ++n)
                            sum += A32[i][n / 6] * static_cast<double>(m[size(n * whole + c)]) * A32[j][n % 6] / 1024;
                        sum = sum * static_cast<double>(scale[size(c)]) +
                              static_cast<double>(bias[size(c)] + residual[at]);
                        EXPECT(static_cast<double>(y[at]) == std::fmin(std::fmax(sum, -30.0), 40.0));
                    }
        }
}

void check_winograd(const WinogradF32& kernel, int64_t channels, Guard guard) {
    for (int tiles = 1; tiles <= WINOGRAD_TILES; ++tiles) {
        check_winograd_input(kernel, channels, tiles, guard);
        check_winograd_product(kernel, channels, tiles, guard);
    }
    check_winograd_output(kernel, channels, guard);
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

// Rows of x lie `apart` floats further apart than they are long, those of y by as many less than 3.
void check_transpose(const TransposeF32& kernel, int64_t rows, int64_t columns, int64_t apart, Guard guard) {
    const int64_t x_stride = columns + apart, y_stride = rows + 3 - apart;
    Guarded<float> x(size((rows - 1) * x_stride + columns), guard), y(size((columns - 1) * y_stride + rows), guard);
    fill(x);
    fill(y);
    const std::vector<float> before(y.data(), y.data() + y.size());
    kernel.run(x.data(), x_stride, y.data(), y_stride, rows, columns);
    for (int64_t i = 0; i < columns * y_stride - (y_stride - rows); ++i) {
        const int64_t row = i % y_stride, column = i / y_stride;
        EXPECT(y[size(i)] == (row < rows ? x[size(row * x_stride + column)] : before[size(i)]));
    }
}

}  // namespace

int main() {
    for (int row = 0; row < isa_count(); ++row) {
        const Isa& isa = isa_at(row);
        if (!isa.available()) continue;
        for (int taps : {9, 25, 48, 49})
            for (int64_t channels : {5, 16, 37}) check_depthwise_alone(*isa.depthwise, taps, channels);
        for (int64_t width = 1; width <= 50; ++width)
            for (int64_t rows : {1, 3, 4, 9})
                for (int64_t before : {0, 1, 2})
                    for (Guard guard : {Guard::before, Guard::after})
                        for (int side : {3, 5}) check_plane(*isa.depthwise, side, rows, width, before, guard);
        for (int64_t channels = 1; channels <= 50; ++channels)
            for (Guard guard : {Guard::before, Guard::after}) {
                for (int taps : {1, 3, 9, 10, 25, 49})
                    for (int64_t count : {1, 2, 5, 17}) check_depthwise(*isa.depthwise, taps, channels, count, guard);
                check_winograd(*isa.winograd, channels, guard);
                for (int64_t side : {0, 1, 2, 3}) check_pool(*isa.pool, side, 3, channels, guard);
            }
        for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50})
            for (int64_t columns : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50})
                for (int64_t apart : {0, 3})
                    for (Guard guard : {Guard::before, Guard::after})
                        check_transpose(*isa.transpose, rows, columns, apart, guard);
        std::printf("%s: %s, %s and %s agree\n", isa.name, isa.depthwise->name, isa.winograd->name, isa.pool->name);
    }
    return 0;
}
