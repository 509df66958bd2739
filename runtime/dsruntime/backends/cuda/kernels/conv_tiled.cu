// conv_tiled: convolution (none transposed) for many pixels, channels of a group % 8 == 0; a block makes 32 * M rows x 64 * P pixels
//
//   activations   by cp.async into shared memory, three stages of [64 * P pixels][64 k] halves
//   weights       codes straight to registers, the next tile's while this one is multiplied; decoded once a warp
//   warps         M down (32 rows each), P across (64 pixels each): 16 mma a step for each set of decoded weights
//
// In a stage, pixel p's 16-byte chunk c lies at chunk c ^ (p % 2 * 4): eight lanes of a 16-byte read touch all banks once.
#include "columns.h"
#include "epilogue.h"

static const i32 stages = 3, panels_of_warp = 2, groups_of_warp = 8;  // 16-row panels; groups of 8 pixels

template <int P>
struct Stage {
    static const i32 pixels = 64 * P, bytes = pixels * 128;
    DEVICE i32 chunk(i32 pixel, i32 c) { return pixel * 8 + (c ^ pixel % 2 * 4); }
};

// A thread copies chunk thread % 8 of every (threads / 8)-th pixel, for all tiles of k: its pixels' corners are kept.
template <int M, int P>
struct Copier {
    static const i32 step = 32 * M * P / 8, count = Stage<P>::pixels / step;
    u32 at[count], corner[count];  // corner: y and x, 16 bits each; conv.py sends larger images elsewhere
    i32 first_channel;
    DEVICE void start(Copier& to, const ConvArgs& s, i32 group, i32 pixel) {
        to.first_channel = group * s.group_channels;
        UNROLL for (i32 i = 0; i < count; i++) {
            Corner corner = corner_of(s, pixel + i32(threadIdx.x) / 8 + step * i);
            i32 y = corner.y < -0x4000 ? -0x4000 : corner.y;  // no pixel: still far off
            to.at[i] = corner.at, to.corner[i] = u32(y) << 16 | (corner.x & 0xFFFF);
        }
    }
    DEVICE void copy(const Copier& from, const ConvArgs& s, i32 tile, u32x4* stage) {
        i32 eighth = tile * 8 + threadIdx.x % 8;
        i32 tap = divide(eighth, s.by_channels), ky = divide(tap, s.by_kernel_w);
        i32 c = from.first_channel + eighth * 8 - tap * s.group_channels;
        i32 dy = ky * s.dilation_y, dx = (tap - ky * s.kernel_w) * s.dilation_x;
        bool real = eighth * 8 < s.depth;
        UNROLL for (i32 i = 0; i < count; i++) {
            Corner corner = {from.at[i], i32(from.corner[i]) >> 16, i16(from.corner[i])};
            i32 at = under<false>(s, corner, dy, dx, c);
            bool valid = real && at >= 0;
            u32x4* to = stage + Stage<P>::chunk(i32(threadIdx.x) / 8 + step * i, threadIdx.x % 8);
            cp_async16(to, s.x + (valid ? at : 0), valid);
        }
    }
};

template <int format>
DEVICE void load_codes(const u8* panel, i64 panel_bytes, i32 real, i32 tile, i32 lane, u32 w[2][Codes<format>::words]) {
    UNROLL for (i32 r = 0; r < panels_of_warp; r++)
        if (r < real) Codes<format>::load(panel + r * panel_bytes + i64(tile) * Codes<format>::tile_bytes, lane, w[r]);
}

// d += two panels' tile times the warp's 64 pixels of a stage
template <int format, int P>
DEVICE void multiply(const u32 w[2][Codes<format>::words], u32 fill, const u32x4* stage, i32 first, i32 lane,
                     f32 d[2][8][4]) {
    u32 pair[2][16];
    UNROLL for (i32 r = 0; r < panels_of_warp; r++) Codes<format>::decode(w[r], pair[r], fill);
    UNROLL for (i32 v = 0; v < 2; v++)
        UNROLL for (i32 i = 0; i < groups_of_warp; i++) {
            u32 b[4];
            put(b, stage[Stage<P>::chunk(first + 8 * i + lane / 4, 4 * v + lane % 4)]);
            UNROLL for (i32 half = 0; half < 2; half++)
                UNROLL for (i32 r = 0; r < panels_of_warp; r++) mma(d[r][i], pair[r] + 8 * v + 4 * half, b + 2 * half);
        }
}

// Results leave through shared memory, [64 * P pixels][32 * M rows], so that neighbours are written together.
template <int M, int P>
DEVICE void write(const ConvArgs& s, const f32 d[2][8][4], f32* sums, i32 group, i32 panel, i32 pixel) {
    const i32 rows = 32 * M, pitch = rows + 4;
    i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, down = warp % M, across = warp / M;
    __syncthreads();
    UNROLL for (i32 r = 0; r < panels_of_warp; r++)
        UNROLL for (i32 i = 0; i < groups_of_warp; i++)
            UNROLL for (i32 e = 0; e < 4; e++) {
                i32 row = 32 * down + 16 * r + lane / 4 + e / 2 * 8;
                i32 column = 64 * across + 8 * i + lane % 4 * 2 + e % 2;
                sums[column * pitch + row] = d[r][i][e];
            }
    __syncthreads();
    finish(s, sums, pitch, rows, 64 * P, group, 16 * panel, pixel);
}

template <int format, int M, int P>
DEVICE void conv_tiled(const ConvArgs& s) {
    DYNAMIC_SHARED(u32x4, shared);
    i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, down = warp % M, across = warp / M;
    i32 blocks_of_group = (s.panels + 2 * M - 1) / (2 * M);
    i32 group = blockIdx.y / blocks_of_group, panel = blockIdx.y % blocks_of_group * 2 * M;
    i32 pixel = blockIdx.x * Stage<P>::pixels, mine = panel + 2 * down;
    i32 real = s.panels - mine < 2 ? s.panels - mine : 2;
    i64 panel_bytes = i64(s.tiles) * Codes<format>::tile_bytes;
    const u8* weight = s.weight + (i64(group) * s.panels + mine) * panel_bytes;

    Copier<M, P> copier;
    Copier<M, P>::start(copier, s, group, pixel);
    UNROLL for (i32 i = 0; i < stages - 1; i++) {
        if (i < s.tiles) Copier<M, P>::copy(copier, s, i, shared + i * Stage<P>::bytes / 16);
        cp_async_commit();
    }
    f32 d[2][8][4] = {};
    u32 w[2][Codes<format>::words] = {}, next[2][Codes<format>::words] = {};
    load_codes<format>(weight, panel_bytes, real, 0, lane, next);
    for (i32 tile = 0; tile < s.tiles; tile++) {
        cp_async_wait<stages - 2>();
        __syncthreads();  // this tile has landed, and nobody reads the stage that is filled next
        i32 ahead = tile + stages - 1;
        if (ahead < s.tiles) Copier<M, P>::copy(copier, s, ahead, shared + ahead % stages * Stage<P>::bytes / 16);
        cp_async_commit();
        UNROLL for (i32 r = 0; r < 2; r++)
            UNROLL for (i32 i = 0; i < Codes<format>::words; i++) w[r][i] = next[r][i];
        if (tile + 1 < s.tiles) load_codes<format>(weight, panel_bytes, real, tile + 1, lane, next);
        if (real > 0) multiply<format, P>(w, s.fill, shared + tile % stages * Stage<P>::bytes / 16, 64 * across, lane, d);
    }
    cp_async_wait<0>();
    write<M, P>(s, d, reinterpret_cast<f32*>(shared), group, panel, pixel);
}

#define CONV_TILED(name, format)                                                              \
    KERNEL(conv_tiled_128x64_##name, 128, ConvArgs s) { conv_tiled<format, 4, 1>(s); }        \
    KERNEL(conv_tiled_64x128_##name, 128, ConvArgs s) { conv_tiled<format, 2, 2>(s); }
CONV_TILED(5, FORMAT_5)
CONV_TILED(5q, FORMAT_5Q)
CONV_TILED(4, FORMAT_4)
CONV_TILED(3, FORMAT_3)
CONV_TILED(2, FORMAT_2)
CONV_TILED(16, FORMAT_16)
