// What conv and conv_transpose share: a convolution of stride and dilation over an image that was spread and padded.
//
//   image     the input with expand - 1 zeros between its pixels and zeros around it (conv: expand 1)
//   y[o][p]   = sum over (c, ky, kx) of weight[o][c][ky][kx] * image[c][p * stride + k * dilation]
//
// The prepared image of a channel is held by phases, so that every tap reads a contiguous run for neighbouring outputs:
//
//   stride 1   row: 0 1 2 3 4 5 6 7        stride 2   row: 0 2 4 6 | 1 3 5 7
//
// Four ways to compute it, the first that fits: planes (depthwise, stride 1: convolution_planes.cpp), depthwise (one input
// channel a group), direct (1x1, nothing to prepare) and packed (the micro-kernel's b panels are gathered from the prepared
// image, k block by k block).
#pragma once

#include "ops/op.h"

namespace dsf {

// One spatial axis. A 1-d convolution has a y axis of ones.
struct Span {
    int64_t input = 1, output = 1, kernel = 1, stride = 1, dilation = 1;
    int64_t expand = 1;  // input pixel i is image pixel before + i * expand
    int64_t before = 0;  // may be negative: the input is cropped
    int64_t image() const { return (output - 1) * stride + (kernel - 1) * dilation + 1; }  // pixels that are read
};

struct Convolution {
    int64_t images = 1, groups = 1;
    int64_t channels = 1, filters = 1;  // a group
    Span y, x;
    bool transposed = false;  // the weight is [channels][filters] and flipped
};

// Refuses sizes that would make the prepared image larger than a tensor may be.
void check_image(const Inference& node, const Convolution& convolution);

bool planes_fit(const Convolution& convolution);
std::unique_ptr<Kernel> prepare_planes(const Preparation& preparation, const Convolution& convolution);

// Whether it is as fast as with channels last, reordering included, and gives the same.
bool fits_channels_first(const Preparation& preparation, const Convolution& convolution);

std::unique_ptr<Kernel> prepare_convolution(const Preparation& preparation, const Convolution& convolution);

}  // namespace dsf
