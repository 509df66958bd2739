// pack: weights as the file stores them to tiles (tiles.py); runs once, when a model is loaded
//
// The file's order is any permutation of the weight's dimensions; the tile's matrix is, for each group, [row][k] with
// k = (ky * kernel_w + kx) * channels + c. A stride per logical dimension says where an entry lies. One warp, one tile.
#include "tile_decode.h"

struct Source {
    i32 groups, rows, kernel_h, kernel_w, channels;                          // rows and channels of one group
    i32 group_stride, row_stride, y_stride, x_stride, channel_stride, flip;  // flip: taps in reverse order
    i32 plane[2], width[2];  // level planes: byte offset and bits, 0 bits for no plane; the sign plane starts at 0
    i32 zero;                // the level that means 0, or -1
    i32 panels, tiles;       // panels of a group, tiles of a panel
};

DEVICE i32 entry(const Source& s, i32 group, i32 row, i32 k) {  // -1 is padding
    i32 c = k % s.channels, tap = k / s.channels;
    i32 kx = tap % s.kernel_w, ky = tap / s.kernel_w;
    if (row >= s.rows || ky >= s.kernel_h) return -1;
    if (s.flip) kx = s.kernel_w - 1 - kx, ky = s.kernel_h - 1 - ky;
    return group * s.group_stride + row * s.row_stride + ky * s.y_stride + kx * s.x_stride + c * s.channel_stride;
}

DEVICE u32 plane_bits(const u8* plane, i32 i, i32 width) {
    u32 bit = u32(i) * width % 8;
    return u32(ldg(plane + u32(i) * width / 8)) >> bit & ((1 << width) - 1);
}
DEVICE u32 sign_of(const u8* planes, i32 i) {
    return plane_bits(planes, i, 1);
}
DEVICE u32 level_of(const Source& s, const u8* planes, i32 i) {
    u32 level = 0;
    if (s.width[0]) level = plane_bits(planes + s.plane[0], i, s.width[0]);
    if (s.width[1]) level |= plane_bits(planes + s.plane[1], i, s.width[1]) << s.width[0];
    return level;
}

// A value is what a kernel of this kind makes of entry i: a half, as bits.
template <int exponent_bits>
struct Code {  // e = highest level - level, placed above the ten mantissa bits
    DEVICE u32 half(const Source& s, const u8* planes, const f32*, i32, i32 i) {
        u32 e = (1u << exponent_bits) - 1 - level_of(s, planes, i);
        return sign_of(planes, i) << 15 | e << 10;
    }
};
struct WideCode {  // any code as a half: 2^(15 - level), levels from 30 on subnormal
    DEVICE u32 half(const Source& s, const u8* planes, const f32*, i32, i32 i) {
        u32 level = level_of(s, planes, i), sign = sign_of(planes, i) << 15;
        if (i32(level) == s.zero) return 0;
        return sign | (level < 30 ? (30 - level) << 10 : 0x200u >> (level - 30));
    }
};
struct Raw {  // float32 times its row's power of two
    DEVICE u32 half(const Source&, const u8* values, const f32* factors, i32 row, i32 i) {
        return to_f16(ldg(reinterpret_cast<const f32*>(values) + i) * ldg(factors + row)).bits;
    }
};

template <int format, class Value>
DEVICE void pack(const Source& s, const u8* source, const f32* factors, u8* packed) {
    i32 lane = threadIdx.x % 32, tile = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (tile >= s.groups * s.panels * s.tiles) return;
    i32 panel = tile / s.tiles, group = panel / s.panels;
    i32 first_row = panel % s.panels * 16 + lane / 4, first_k = tile % s.tiles * 64 + lane % 4 * 8;
    u32 pair[16], w[16];
    for (i32 p = 0; p < 16; p++) {
        i32 step = p / 4, r = p % 4, row = first_row + r % 2 * 8;
        i32 k = first_k + step / 2 * 32 + step % 2 * 4 + r / 2 * 2;
        pair[p] = 0;
        for (i32 h = 0; h < 2; h++) {
            i32 i = entry(s, group, row, k + h);
            if (i >= 0) pair[p] |= Value::half(s, source, factors, group * s.rows + row, i) << 16 * h;
        }
    }
    Codes<format>::encode(pair, w);
    Codes<format>::store(packed + i64(tile) * Codes<format>::tile_bytes, lane, w);
}

#define PACK(name, format, value)                                                                       \
    KERNEL(name, 256, Source s, const u8* source, const f32* factors, u8* packed) {                     \
        pack<format, value>(s, source, factors, packed);                                                \
    }
PACK(pack_5, FORMAT_5, Code<4>)
PACK(pack_4, FORMAT_4, Code<3>)
PACK(pack_3, FORMAT_3, Code<2>)
PACK(pack_2, FORMAT_2, Code<1>)
PACK(pack_wide, FORMAT_16, WideCode)
PACK(pack_raw, FORMAT_16, Raw)

// The scales, behind the tiles or the taps.
KERNEL(pack_scales, 256, const f32* scales, f32* packed, i32 n) {
    i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) packed[i] = ldg(scales + i);
}

// Depthwise weights stay float32, [tap][output]: a tile would be one sixteenth full.
KERNEL(pack_taps, 256, Source s, const u8* source, f32* packed, i32 codes) {
    i32 n = blockIdx.x * blockDim.x + threadIdx.x, outputs = s.groups * s.rows;
    if (n >= outputs * s.kernel_h * s.kernel_w) return;
    i32 output = n % outputs, i = entry(s, output / s.rows, output % s.rows, n / outputs);
    if (codes) {
        i32 level = level_of(s, source, i);
        f32 power = level == s.zero ? 0.0f : from_bits(u32(127 - level) << 23);
        packed[n] = sign_of(source, i) ? -power : power;
    } else {
        packed[n] = ldg(reinterpret_cast<const f32*>(source) + i);
    }
}
