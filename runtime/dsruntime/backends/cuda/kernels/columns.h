// columns: the activations' side of the product: for each of a warp's 8 * N pixels, its window, cut as tiles.py says.
//
// Lane 4g + t serves pixel g of each group of 8: for a tile of 64 k it brings k = 8t .. 8t + 7 and 32 + 8t .. 32 + 8t + 7
// as b[0..3] and b[4..7]: b[2 * step] and b[2 * step + 1] are the right operand of product `step`.
//
//   Rows      x is [pixels][depth], depth % 8 == 0: linear layers
//   Windows   images, channels of a group % 8 == 0: the 8 k of a load lie in one tap
//   Gather    anything: one load for each k, through shared memory
#pragma once
#include "conv_args.h"

DEVICE void put(u32* b, u32x4 x) {
    b[0] = x.x, b[1] = x.y, b[2] = x.z, b[3] = x.w;
}

template <int N>
struct Rows {
    static const i32 warp_bytes = 0;  // of shared memory that each warp needs
    const f16* row[N];  // null past the last pixel
    DEVICE void start(Rows& r, const ConvArgs& s, i32, i32 first, i32 lane, u8*) {
        UNROLL for (i32 i = 0; i < N; i++) {
            i32 pixel = first + 8 * i + lane / 4;
            r.row[i] = pixel < pixel_count(s) ? s.x + i64(pixel) * s.depth : nullptr;
        }
    }
    DEVICE void load(const Rows& r, const ConvArgs& s, i32 tile, i32 lane, u32 b[N][8]) {
        UNROLL for (i32 v = 0; v < 2; v++) {
            i32 k = tile * 64 + v * 32 + lane % 4 * 8;
            UNROLL for (i32 i = 0; i < N; i++) {
                u32x4 x = {0, 0, 0, 0};
                if (r.row[i] && k < s.depth) x = ldg(reinterpret_cast<const u32x4*>(r.row[i] + k));
                put(b[i] + 4 * v, x);
            }
        }
    }
};

// Where a pixel's window starts. at: the offset in x of its channel 0; with up, that of its image. y of no pixel is far off.
struct Corner {
    u32 at;
    i32 y, x;
};
DEVICE bool is_transposed(const ConvArgs& s) {
    return s.up_y * s.up_x != 1;
}
DEVICE Corner corner_of(const ConvArgs& s, i32 pixel) {
    i32 ox = pixel % s.out_width, row = pixel / s.out_width;
    i32 oy = row % s.out_height, image = row / s.out_height;
    i32 y = oy * s.stride_y - s.pad_y, x = ox * s.stride_x - s.pad_x;
    u32 at = u32(image) * s.height * s.width;
    if (!is_transposed(s)) at += u32(y) * s.width + x;
    return {at * s.channels, pixel < pixel_count(s) ? y : -(1 << 30), x};
}
// The offset of channel c under the window's entry (dy, dx), or -1.
template <bool transposed>
DEVICE i32 under(const ConvArgs& s, Corner corner, i32 dy, i32 dx, i32 c) {
    i32 y = corner.y + dy, x = corner.x + dx;
    if (!transposed) {
        bool inside = u32(y) < u32(s.height) && u32(x) < u32(s.width);
        return inside ? i32(corner.at + u32((dy * s.width + dx) * s.channels + c)) : -1;
    }
    i32 source_y = divide(y, s.by_up_y), source_x = divide(x, s.by_up_x);
    bool inside = (y | x) >= 0 && source_y * s.up_y == y && source_x * s.up_x == x && source_y < s.height &&
                  source_x < s.width;
    return inside ? i32(corner.at + u32((source_y * s.width + source_x) * s.channels + c)) : -1;
}

template <int N>
struct Windows {
    static const i32 warp_bytes = 0;
    Corner corner[N];
    i32 first_channel;
    DEVICE void start(Windows& w, const ConvArgs& s, i32 group, i32 first, i32 lane, u8*) {
        w.first_channel = group * s.group_channels;
        UNROLL for (i32 i = 0; i < N; i++) w.corner[i] = corner_of(s, first + 8 * i + lane / 4);
    }
    DEVICE void load(const Windows& w, const ConvArgs& s, i32 tile, i32 lane, u32 b[N][8]) {
        if (is_transposed(s)) load_any<true>(w, s, tile, lane, b);
        else load_any<false>(w, s, tile, lane, b);
    }
    template <bool transposed>
    DEVICE void load_any(const Windows& w, const ConvArgs& s, i32 tile, i32 lane, u32 b[N][8]) {
        UNROLL for (i32 v = 0; v < 2; v++) {
            i32 eighth = tile * 8 + v * 4 + lane % 4;
            i32 tap = divide(eighth, s.by_channels), ky = divide(tap, s.by_kernel_w);
            i32 c = w.first_channel + eighth * 8 - tap * s.group_channels;
            i32 dy = ky * s.dilation_y, dx = (tap - ky * s.kernel_w) * s.dilation_x;
            bool real = eighth * 8 < s.depth;
            UNROLL for (i32 i = 0; i < N; i++) {
                u32x4 x = {0, 0, 0, 0};
                i32 at = under<transposed>(s, w.corner[i], dy, dx, c);
                if (real && at >= 0) x = ldg(reinterpret_cast<const u32x4*>(s.x + at));
                put(b[i] + 4 * v, x);
            }
        }
    }
};

// A lane serves two k for all pixels, so that neighbouring lanes read neighbouring memory; shared memory turns it.
// The warp's [8 * N pixels][64 k] halves; 16-byte chunks of odd pixels are swapped by halves against bank conflicts.
template <int N>
struct Gather {
    static const i32 warp_bytes = 8 * N * 128;
    Corner corner;  // of pixel `lane`
    i32 first_channel;
    u32* warp;
    DEVICE void start(Gather& w, const ConvArgs& s, i32 group, i32 first, i32 lane, u8* warp) {
        w.first_channel = group * s.group_channels;
        w.corner = corner_of(s, first + lane % (8 * N));
        w.warp = reinterpret_cast<u32*>(warp);
    }
    DEVICE void load(const Gather& w, const ConvArgs& s, i32 tile, i32 lane, u32 b[N][8]) {
        i32 dy[2], dx[2], c[2], k = tile * 64 + lane * 2;
        UNROLL for (i32 h = 0; h < 2; h++) {
            i32 tap = divide(k + h, s.by_channels), ky = divide(tap, s.by_kernel_w);
            c[h] = w.first_channel + k + h - tap * s.group_channels;
            dy[h] = ky * s.dilation_y, dx[h] = (tap - ky * s.kernel_w) * s.dilation_x;
        }
        sync_warp();
        for (i32 i = 0; i < 8 * N; i++) {
            Corner corner = {shfl(w.corner.at, i), shfl(w.corner.y, i), shfl(w.corner.x, i)};
            u32 pair = 0;
            UNROLL for (i32 h = 0; h < 2; h++) {
                i32 at = is_transposed(s) ? under<true>(s, corner, dy[h], dx[h], c[h])
                                          : under<false>(s, corner, dy[h], dx[h], c[h]);
                if (k + h < s.depth && at >= 0) pair |= u32(ldg(s.x + at).bits) << 16 * h;
            }
            w.warp[i * 32 + (lane ^ i % 2 * 16)] = pair;
        }
        sync_warp();
        UNROLL for (i32 v = 0; v < 2; v++)
            UNROLL for (i32 i = 0; i < N; i++) {
                i32 pixel = 8 * i + lane / 4, chunk = (v * 4 + lane % 4) ^ pixel % 2 * 4;
                put(b[i] + 4 * v, reinterpret_cast<const u32x4*>(w.warp)[pixel * 8 + chunk]);
            }
    }
};
