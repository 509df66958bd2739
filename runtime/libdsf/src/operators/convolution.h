// What conv and conv_transpose share: products of taps with pixels of images, [N][H][W][C].
//
//   y[n][oy][ox][o] = activation(sum over (ky, kx, c) of w[o][c][ky][kx] * x[n][iy][ix][c] + bias[o] + residual)
//   iy = (oy * stride + ky * dilation - before) / expand, and the same for ix
//
// Pixels outside the image are 0, and so are those that the division leaves no whole number for: conv divides by 1,
// conv_transpose by its stride. Every expand-th output has the same taps; such outputs are a phase, and within it a tap
// reads neighbouring pixels for neighbouring outputs.
//
// Ways to compute it, the first that fits:
//
//   planes      depthwise of stride 1 in ONNX's order, where that is as fast    convolution_planes.cpp
//   depthwise   one channel and one filter a group: vectors of channels         convolution_depthwise.cpp
//   Winograd    3x3, stride 1, where it saves time: fewer multiplications       convolution_winograd.cpp
//   direct      everything else: products whose rows lie in the image           convolution_direct.cpp
//   transposed  the same, a product for each phase                              convolution_transposed.cpp
//
// A weight that is in the file is packed once, one that is computed in every run.
#pragma once

#include "kernels/panels.h"
#include "product.h"

namespace dsf {

// One spatial axis. A 1-d convolution has a y axis of ones.
struct Span {
    int64_t input = 1, output = 1, kernel = 1, stride = 1, dilation = 1;
    int64_t expand = 1;  // conv_transpose: its stride, whose image has expand - 1 zeros between two pixels
    int64_t before = 0;  // padding; may be negative: the input is cropped
    int64_t image() const { return (output - 1) * stride + (kernel - 1) * dilation + 1; }  // pixels, zeros included
};

// How a kernel's taps are numbered along an axis as they are stored: from the first, or, of a transposed convolution's
// flipped kernel, from the last.
enum class TapOrder : uint8_t { as_stored, flipped };

struct Convolution {
    int64_t images = 1, groups = 1;
    int64_t channels = 1, filters = 1;  // a group
    Span y, x;
    bool transposed = false;  // the weight is [channels][filters] and flipped

    TapOrder tap_order() const { return transposed ? TapOrder::flipped : TapOrder::as_stored; }
    int64_t taps() const { return y.kernel * x.kernel; }
    int64_t all_channels() const { return groups * channels; }
    int64_t all_filters() const { return groups * filters; }
};

// A tap of a phase: its number in the kernel as it is stored, and the pixel that the phase's output 0 reads with it.
struct Tap {
    int64_t number, offset;
};

// Outputs first, first + expand, ... of an axis. Output i of them reads pixel i * stride + offset with each of its taps.
struct Phase {
    int64_t first, count;
    int64_t taps_before;    // in the phases before it
    std::vector<Tap> taps;  // in the order of their pixels
};

// The phases that have taps, in the order of their first outputs: no more than the kernel has taps.
std::vector<Phase> phases_of(const Span& span, TapOrder order);
size_t table_bytes(const std::vector<Phase>& phases);

// How many multiplications it takes, with those of taps that fall outside.
uint64_t multiplications(const Convolution& convolution);

// Whether it is as fast in ONNX's order as with channels last, reordering included, with the same results.
bool fits_channels_first(const Preparation& preparation, const Convolution& convolution);

// Whether the direct way copies the channels of a pixel together, whatever their order was: there are few, as an RGB image
// has.
bool lays_out_input(const Convolution& convolution);

std::unique_ptr<Kernel> prepare_convolution(const Preparation& preparation, const Convolution& convolution);

// ---- the ways

bool planes_fit(const Convolution& convolution);
std::unique_ptr<Kernel> prepare_planes(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_depthwise(const Preparation& preparation, const Convolution& convolution);
bool winograd_wins(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_winograd(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_direct(const Preparation& preparation, const Convolution& convolution);
std::unique_ptr<Kernel> prepare_transposed(const Preparation& preparation, const Convolution& convolution);

// ---- what they share

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

// The epilogue of a step; at() gives it from a pixel and a channel on.
struct ConvolutionEpilogue {
    explicit ConvolutionEpilogue(const Preparation& preparation);
    PanelOutput at(const Run& run, int64_t channels, int64_t pixel, int64_t channel) const;

private:
    Epilogue epilogue_;
    Activation activation_;
    bool has_bias_;
};

// table[tap][i]: the channels of that tap's pixel for output begin + i of a phase of y and one of x, of all images from x
// on. A pixel has `channels` floats; where there is none, `zeros` is read.
void find_taps(const Convolution& convolution, const Phase& y, const Phase& x, const float* images, int64_t channels,
               const float* zeros, int64_t begin, int64_t end, const float** table);

// Calls take(tap of y, tap of x), phase by phase.
template <class Take> void for_taps(const std::vector<Phase>& y, const std::vector<Phase>& x, Take take) {
    for (const Phase& phase_y : y)
        for (const Phase& phase_x : x)
            for (const Tap& tap_y : phase_y.taps)
                for (const Tap& tap_x : phase_x.taps) take(tap_y, tap_x);
}

// The phase whose first output this is, or null.
const Phase* phase_at(const std::vector<Phase>& phases, int64_t first);

// Writes the outputs that no tap reaches: they have bias, residual and activation alone.
void fill_gaps(const Run& run, const Convolution& convolution, const std::vector<Phase>& y, const std::vector<Phase>& x,
               const ConvolutionEpilogue& epilogue);

// How the rows and panels of `groups` products are cut into tasks.
struct ProductBlocks {
    int64_t rows = 1, row_blocks = 1, panel_blocks = 1;
};
ProductBlocks cut_product(const PanelProduct& product, int64_t rows, int64_t groups, int threads);

}  // namespace dsf
