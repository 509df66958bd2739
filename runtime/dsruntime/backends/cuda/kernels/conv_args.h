// What a convolution or a linear layer is told. conv.py mirrors it; every member is 8 or 4 bytes.
//
//   y[pixel][output] = clip(scale[row] * sum over k of weight[row][k] * x[pixel's window][k] + bias + residual)
//
// A pixel is (image, oy, ox); k is (ky, kx, c), c fastest. The window looks at
//   iy = (oy * stride_y - pad_y + ky * dilation_y) / up_y    where that divides, inside the image; 0 elsewhere.
// up is 1 for a convolution; a transposed one has stride 1 and its own stride as up. A linear layer's pixels are its rows.
#pragma once
#include "tile_decode.h"

struct Divider {  // n / d for n * d < 2^32: one multiplication. d = 1: {0, 1}; always 0: {0, 0}
    u32 magic, one;
};
DEVICE i32 divide(i32 n, Divider by) {
    return i32(mul_high(n, by.magic) + n * by.one);
}

struct ConvArgs {
    const f16* x;         // [images][height][width][channels]
    const u8* weight;     // [groups][panels][tiles] tiles
    const f32* scale;     // [groups][panels * 16]
    const f32* bias;      // [outputs], or null
    const f16* residual;  // like y, or null
    f16* y;               // [pixels][outputs]
    f32* partial;         // [blocks][splits][columns of a block][rows of a block], if splits > 1
    u32* arrived;         // [blocks], zero before and after, if splits > 1
    u32* overflow;        // gets tag if a result does not fit a half, or null
    u32 tag;
    u32 fill;             // or-ed to decoded codes (tiles.py)
    i32 images, height, width, channels;
    i32 group_channels, group_outputs, outputs;
    i32 out_height, out_width;
    i32 kernel_w, depth;  // k of a row
    i32 stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x, up_y, up_x;
    i32 panels, tiles;    // panels of 16 rows of a group, tiles of 64 k of a panel
    i32 splits;           // parts of k, each its own block
    Divider by_channels;  // k, or groups of 8 k, to its tap
    Divider by_kernel_w;  // tap to ky
    Divider by_up_y, by_up_x;
    f32 low, high;
};

DEVICE i32 pixel_count(const ConvArgs& s) {
    return s.images * s.out_height * s.out_width;
}
