// winograd_f32: the two transforms of Winograd's minimal filtering F(4x4, 3x3), for images with channels stored last.
//
//   Y = A' [ sum over channels of (G g G') .* (B' d B) ] A        Lavin & Gray 2016, https://arxiv.org/abs/1509.09308
//
// d: a tile of 6x6 pixels of the padded input, neighbouring tiles overlap by 2; Y: the 4x4 pixels of the output that it
// gives; g: a filter of 3x3. The products in between are 36 matrix products, one for each position of a tile.
// The transform of the filters, G g G', is made once, when weights are prepared.
//
//        4  0 -5  0  1  0          1/4    0    0
//        0 -4 -4  1  1  0         -1/6 -1/6 -1/6           1  1  1  1  1  0
//   B' = 0  4 -4 -1  1  0     G = -1/6  1/6 -1/6      A' = 0  1 -1  2 -2  0
//        0 -2 -1  2  1  0         1/24 1/12  1/6           0  1  1  4  4  0
//        0  2 -1 -2  1  0         1/24 -1/12 1/6           0  1 -1  8 -8  1
//        0  4  0 -5  0  1           0    0    1
#pragma once

#include <stdint.h>

#include "activation.h"

namespace dsf {

constexpr int WINOGRAD_POSITIONS = 36;

struct WinogradInput {
    const float* const* pixels;  // [36]: the channels of each pixel of the tile
    int64_t channels;
    float* to;                   // [36][stride]: whole vectors are written, the last one filled up with 0
    int64_t stride;
};

struct WinogradOutput {
    const float* from;           // [36][stride]: whole vectors are read
    int64_t stride;
    int64_t channels;
    int rows, columns;           // of the 4x4 pixels, those that there are
    float* y;
    int64_t row_stride, pixel_stride;
    const float* bias;           // [channels], or null
    const float* residual;       // laid out like y, or null
    Activation activation;
};

struct WinogradF32 {
    const char* name;
    void (*input)(const WinogradInput& tile);
    void (*output)(const WinogradOutput& tile);
};

extern const WinogradF32 winograd_f32_scalar, winograd_f32_avx2, winograd_f32_avx512;

}  // namespace dsf
