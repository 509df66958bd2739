// winograd_f32: Winograd's minimal filtering F(4x4, 3x3), for images with channels stored last.
//
//   Y = A' [ sum over channels of (G g G') .* (B' d B) ] A * 16/9   Lavin & Gray 2016, https://arxiv.org/abs/1509.09308
//
// d: a tile of 6x6 pixels of the padded input, neighbouring tiles overlap by 2; Y: the 4x4 pixels of the output that it
// gives; g: a filter of 3x3. The products in between are 36, one for each position of a tile.
//
//        4  0 -5  0  1  0         1  0  0
//        0 -4 -4  1  1  0         1  1  1             6 -4 -4  1  1  0
//   B' = 0  4 -4 -1  1  0     G = 1 -1  1   32 * A' = 0 -4  4  2 -2  0
//        0 -2 -1  2  1  0         1  2  4             0 -4 -4  4  4  0
//        0  2 -1 -2  1  0         1 -2  4             0 -4  4  8 -8 24
//        0  4  0 -5  0  1         0  0  1
//
// Rows of Lavin's G are multiplied by 4, -6, 24 and 1, the columns of A' divided by them: so every constant is exact, and
// so is G g G' of powers of two that are not too far apart.
//
// Filters are transformed while they are multiplied, for what they grow by is more to read than to compute: along y into
// a buffer of [6][channels][3] (filters), along x in registers (product). A vector holds filters, one in each lane.
#pragma once

#include <stdint.h>

#include "activation.h"

namespace dsf {

constexpr int WINOGRAD_POSITIONS = 36;
constexpr int WINOGRAD_CHUNK = 16;  // channels of V that are neighbours in memory
constexpr int WINOGRAD_TILES = 4;   // the most that are multiplied together

// V = B' d B of some tiles: [6 of y][chunks][6 of x][tiles][WINOGRAD_CHUNK]
struct WinogradInput {
    const float* const* pixels;  // [36]: the channels of each pixel of the tile
    int64_t channels;
    float* to;       // V, where this tile's first number is; the last vector is filled up with 0
    int64_t stride;  // of V's first dimension
    int tiles;       // that share V
};

// G g of a vector of filters.
struct WinogradFilters {
    const uint8_t* codes;  // [channels][9][WIDTH]: a power of two as its sign and 7 bits of a float's exponent; or null
    const float* floats;   // the same as floats, where codes is null
    int64_t channels;
    float* to;  // [6][stride], of which [channels][3][WIDTH] are written
    int64_t stride;
};

// M of some tiles and a vector of filters, for one y of the 6: sums over channels of V and the transformed filters.
struct WinogradProduct {
    const float* v;        // [chunks][6][tiles][WINOGRAD_CHUNK]
    const float* filters;  // [channels][3][WIDTH]
    int64_t channels;
    const char* prefetch;  // what is brought into the L2 cache meanwhile, or null: a line each channel
    const char* prefetch_end;
    float* m;    // [6][tiles][WIDTH]
    bool first;  // m is written; otherwise added to
};

struct WinogradOutput {
    const float* from;  // [36][stride]: whole vectors are read
    int64_t stride;
    int64_t channels;
    int rows, columns;  // of the 4x4 pixels, those that there are
    float* y;
    int64_t row_stride, pixel_stride;
    const float* scale;     // [channels]
    const float* bias;      // [channels], or null
    const float* residual;  // laid out like y, or null
    Activation activation;
};

struct WinogradF32 {
    const char* name;
    int width;  // WIDTH: filters of a vector
    void (*input)(const WinogradInput& tile);
    void (*filters)(const WinogradFilters& filters);
    void (*product)(const WinogradProduct& product, int tiles);
    void (*output)(const WinogradOutput& tile);
};

extern const WinogradF32 winograd_f32_scalar, winograd_f32_neon, winograd_f32_avx2, winograd_f32_avx512;

}  // namespace dsf
