// depthwise_f32: depthwise convolutions. A call computes some pixels of neighbouring channels, or some rows of one channel.
#pragma once

#include <stdint.h>

#include "activation.h"

namespace dsf {

// Some pixels of a row of an image whose channels are stored last, in some of its channels:
//
//   y[i][c] = activation(bias[c] + sum_t weight[t][c] * taps[t][i * step + c] + residual[i][c])
struct DepthwisePixels {
    const float* const* taps;  // [tap_count]: where each tap of pixel 0 lies
    int tap_count;
    int64_t count;  // pixels
    int64_t step;   // floats between the taps of neighbouring pixels
    int64_t channels;
    int64_t stride;         // floats between two pixels of y and residual
    int64_t weight_stride;  // between two taps of weight
    const float* weight;
    const float* bias;      // [channels], or null
    const float* residual;  // or null
    Activation activation;
    float* y;
};

// Some rows of one channel, with stride 1, of an image whose channels are stored first:
//
//   y[i][j] = activation(bias + sum over (ky, kx) of weight[ky][kx] * padded[i + ky][j + kx] + residual[i][j])
//
// The sums are made as those of DepthwisePixels.
struct DepthwisePlane {
    const float* padded;  // [rows + kernel - 1][pitch]
    int64_t pitch;        // padded_pitch(width + kernel - 1)
    const float* weight;  // [kernel][kernel]
    int kernel;           // 3 or 5
    float bias;
    const float* residual;  // [rows][width], or null
    Activation activation;
    float* y;  // [rows][width]
    int64_t rows, width;
};

// Rows with zeros before and after them: to[i][before + j] = x[i][j].
struct DepthwisePadding {
    const float* x;  // [rows][width]
    int64_t rows, width, before;
    int64_t padded;  // numbers of a row with its zeros
    float* to;       // [rows][padded_pitch(padded)]
};

// Floats from one padded row to the next: whole vectors are read and written past its end.
inline int64_t padded_pitch(int64_t padded) { return (padded + 31) / 16 * 16; }

struct DepthwiseF32 {
    const char* name;
    void (*pixels)(const DepthwisePixels& pixels);
    void (*plane)(const DepthwisePlane& plane);
    void (*pad)(const DepthwisePadding& padding);
};

extern const DepthwiseF32 depthwise_f32_scalar, depthwise_f32_neon, depthwise_f32_avx2, depthwise_f32_avx512;

}  // namespace dsf
