// Convolutions of images whose channels are stored last, [N][H][W][C]; the weight is in the file.
//
//   y[n][oy][ox][o] = clip(sum over (ky, kx, c) of w[o][c][ky][kx] * x[n][iy][ix][c] + bias[o] + residual)
//   iy = oy * stride + ky * dilation - before, and the same for ix; pixels outside the image are 0
//
// Three ways to compute it, the first that fits:
//
//   depthwise  one channel and one filter a group: vectors of channels      convolution_depthwise.cpp
//   Winograd   3x3, stride 1, where it saves time: fewer multiplications    convolution_winograd.cpp
//   direct     everything else: products whose rows lie in the image        convolution_direct.cpp
#pragma once

#include "kernels/panels.h"
#include "convolution.h"
#include "product.h"

namespace dsf {

std::unique_ptr<Kernel> prepare_convolution_last(const Preparation& preparation, const Convolution& convolution);

std::unique_ptr<Kernel> prepare_direct(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_depthwise(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_winograd(const Preparation& preparation, const Convolution& convolution);
bool winograd_wins(const Preparation& preparation, const Convolution& convolution);

// Few channels, as an RGB image has: the direct way copies them together, whatever their order was.
bool lays_out_input(const Convolution& convolution);

// Calls take(filter, values) for the filters of the weight from first to last, count at a time: values is
// [count][channels][taps], decoded.
template <class Take>
void for_filters(const Preparation& preparation, int64_t first, int64_t last, int64_t count, int64_t k, Take take) {
    const Weight& weight = *preparation.weight(1);
    if (has_rows(weight.form)) {
        Floats values(count * k);
        for (int64_t filter = first; filter < last; filter += count) {
            decode_rows(weight.form, weight.type, filter, std::min(last, filter + count), values.data());
            take(filter, values.data());
        }
        return;
    }
    const Floats values = decode_floats(weight);
    for (int64_t filter = first; filter < last; filter += count) take(filter, values.data() + filter * k);
}

// The epilogue of a step, from pixel 0 and channel 0 on.
struct LastEpilogue {
    explicit LastEpilogue(const Preparation& preparation);
    PanelOutput at(const Run& run, int64_t channels, int64_t pixel, int64_t channel) const;

private:
    Epilogue epilogue_;
    Activation activation_;
    bool has_bias_;
};

}  // namespace dsf
