// Written by tools/cuda_header.py from dsruntime/backends/cuda/tiles.py, which explains it. Do not edit.
//
// struct Codes<format>: a lane's 32 weights of a tile of 16 rows x 64 k.
//   load     its words from the tile in memory
//   decode   words to pairs of halves: pair[4 * step + register] is register `register` of the left operand in `step`
//   encode   pairs back to words
#pragma once
#include "dsc_prim.h"

enum Format { FORMAT_5, FORMAT_5Q, FORMAT_4, FORMAT_3, FORMAT_2, FORMAT_16 };

template <int format>
struct Codes;

template <>
struct Codes<FORMAT_5> {
    static const i32 words = 5, tile_bytes = 640;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x4 v0 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y; w[2] = v0.z; w[3] = v0.w;
        u32 v1 = ldg_stream(reinterpret_cast<const u32*>(tile + 512) + lane);
        w[4] = v1;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        (void)fill;
        pair[0] = (w[0] & 0xbc00bc00u);
        pair[1] = (((w[0]) << 6) & 0xbc00bc00u);
        pair[2] = (((w[0]) << 10) & 0x3c003c00u) | (((w[0]) << 1) & 0x80008000u);
        pair[3] = (w[1] & 0xbc00bc00u);
        pair[4] = (((w[1]) << 6) & 0xbc00bc00u);
        pair[5] = (((w[1]) << 10) & 0x3c003c00u) | (((w[1]) << 1) & 0x80008000u);
        pair[6] = (w[2] & 0xbc00bc00u);
        pair[7] = (((w[2]) << 6) & 0xbc00bc00u);
        pair[8] = (((w[2]) << 10) & 0x3c003c00u) | (((w[2]) << 1) & 0x80008000u);
        pair[9] = (w[3] & 0xbc00bc00u);
        pair[10] = (((w[3]) << 6) & 0xbc00bc00u);
        pair[11] = (((w[3]) << 10) & 0x3c003c00u) | (((w[3]) << 1) & 0x80008000u);
        pair[12] = (w[4] & 0xbc00bc00u);
        pair[13] = (((w[4]) << 6) & 0xbc00bc00u);
        pair[14] = (((w[4]) << 10) & 0x3c003c00u) | (((w[4]) << 1) & 0x80008000u);
        pair[15] = (((w[0]) << 7) & 0x80008000u) | (((w[1]) << 5) & 0x20002000u) | (((w[2]) << 4) & 0x10001000u) | (((w[3]) << 3) & 0x08000800u) | (((w[4]) << 2) & 0x04000400u);
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0xbc00bc00u) | rotate_left(pair[1] & 0xbc00bc00u, 26) | rotate_left(pair[2] & 0x3c003c00u, 22) | rotate_left(pair[2] & 0x80008000u, 31) | rotate_left(pair[15] & 0x80008000u, 25);
        w[1] = (pair[3] & 0xbc00bc00u) | rotate_left(pair[4] & 0xbc00bc00u, 26) | rotate_left(pair[5] & 0x3c003c00u, 22) | rotate_left(pair[5] & 0x80008000u, 31) | rotate_left(pair[15] & 0x20002000u, 27);
        w[2] = (pair[6] & 0xbc00bc00u) | rotate_left(pair[7] & 0xbc00bc00u, 26) | rotate_left(pair[8] & 0x3c003c00u, 22) | rotate_left(pair[8] & 0x80008000u, 31) | rotate_left(pair[15] & 0x10001000u, 28);
        w[3] = (pair[9] & 0xbc00bc00u) | rotate_left(pair[10] & 0xbc00bc00u, 26) | rotate_left(pair[11] & 0x3c003c00u, 22) | rotate_left(pair[11] & 0x80008000u, 31) | rotate_left(pair[15] & 0x08000800u, 29);
        w[4] = (pair[12] & 0xbc00bc00u) | rotate_left(pair[13] & 0xbc00bc00u, 26) | rotate_left(pair[14] & 0x3c003c00u, 22) | rotate_left(pair[14] & 0x80008000u, 31) | rotate_left(pair[15] & 0x04000400u, 30);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x4*>(tile + 0)[lane] = u32x4{w[0], w[1], w[2], w[3]};
        reinterpret_cast<u32*>(tile + 512)[lane] = u32{w[4]};
    }
};

template <>
struct Codes<FORMAT_5Q> {
    static const i32 words = 5, tile_bytes = 640;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x4 v0 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y; w[2] = v0.z; w[3] = v0.w;
        u32 v1 = ldg_stream(reinterpret_cast<const u32*>(tile + 512) + lane);
        w[4] = v1;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        (void)fill;
        pair[0] = ((w[0] & 0xbc00bc00u)) + 0x04000400u;
        pair[1] = ((((w[0]) << 6) & 0xbc00bc00u)) + 0x04000400u;
        pair[2] = ((((w[0]) << 10) & 0x3c003c00u) | (((w[0]) << 1) & 0x80008000u)) + 0x04000400u;
        pair[3] = ((w[1] & 0xbc00bc00u)) + 0x04000400u;
        pair[4] = ((((w[1]) << 6) & 0xbc00bc00u)) + 0x04000400u;
        pair[5] = ((((w[1]) << 10) & 0x3c003c00u) | (((w[1]) << 1) & 0x80008000u)) + 0x04000400u;
        pair[6] = ((w[2] & 0xbc00bc00u)) + 0x04000400u;
        pair[7] = ((((w[2]) << 6) & 0xbc00bc00u)) + 0x04000400u;
        pair[8] = ((((w[2]) << 10) & 0x3c003c00u) | (((w[2]) << 1) & 0x80008000u)) + 0x04000400u;
        pair[9] = ((w[3] & 0xbc00bc00u)) + 0x04000400u;
        pair[10] = ((((w[3]) << 6) & 0xbc00bc00u)) + 0x04000400u;
        pair[11] = ((((w[3]) << 10) & 0x3c003c00u) | (((w[3]) << 1) & 0x80008000u)) + 0x04000400u;
        pair[12] = ((w[4] & 0xbc00bc00u)) + 0x04000400u;
        pair[13] = ((((w[4]) << 6) & 0xbc00bc00u)) + 0x04000400u;
        pair[14] = ((((w[4]) << 10) & 0x3c003c00u) | (((w[4]) << 1) & 0x80008000u)) + 0x04000400u;
        pair[15] = ((((w[0]) << 7) & 0x80008000u) | (((w[1]) << 5) & 0x20002000u) | (((w[2]) << 4) & 0x10001000u) | (((w[3]) << 3) & 0x08000800u) | (((w[4]) << 2) & 0x04000400u)) + 0x04000400u;
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0xbc00bc00u) | rotate_left(pair[1] & 0xbc00bc00u, 26) | rotate_left(pair[2] & 0x3c003c00u, 22) | rotate_left(pair[2] & 0x80008000u, 31) | rotate_left(pair[15] & 0x80008000u, 25);
        w[1] = (pair[3] & 0xbc00bc00u) | rotate_left(pair[4] & 0xbc00bc00u, 26) | rotate_left(pair[5] & 0x3c003c00u, 22) | rotate_left(pair[5] & 0x80008000u, 31) | rotate_left(pair[15] & 0x20002000u, 27);
        w[2] = (pair[6] & 0xbc00bc00u) | rotate_left(pair[7] & 0xbc00bc00u, 26) | rotate_left(pair[8] & 0x3c003c00u, 22) | rotate_left(pair[8] & 0x80008000u, 31) | rotate_left(pair[15] & 0x10001000u, 28);
        w[3] = (pair[9] & 0xbc00bc00u) | rotate_left(pair[10] & 0xbc00bc00u, 26) | rotate_left(pair[11] & 0x3c003c00u, 22) | rotate_left(pair[11] & 0x80008000u, 31) | rotate_left(pair[15] & 0x08000800u, 29);
        w[4] = (pair[12] & 0xbc00bc00u) | rotate_left(pair[13] & 0xbc00bc00u, 26) | rotate_left(pair[14] & 0x3c003c00u, 22) | rotate_left(pair[14] & 0x80008000u, 31) | rotate_left(pair[15] & 0x04000400u, 30);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x4*>(tile + 0)[lane] = u32x4{w[0], w[1], w[2], w[3]};
        reinterpret_cast<u32*>(tile + 512)[lane] = u32{w[4]};
    }
};

template <>
struct Codes<FORMAT_4> {
    static const i32 words = 4, tile_bytes = 512;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x4 v0 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y; w[2] = v0.z; w[3] = v0.w;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        pair[0] = (w[0] & 0x9c009c00u) | fill;
        pair[1] = (((w[0]) << 6) & 0x9c009c00u) | fill;
        pair[2] = (((w[0]) << 10) & 0x1c001c00u) | (((w[0]) << 1) & 0x80008000u) | fill;
        pair[3] = (((w[0]) << 2) & 0x80008000u) | (((w[0]) << 4) & 0x18001800u) | (((w[0]) << 7) & 0x04000400u) | fill;
        pair[4] = (w[1] & 0x9c009c00u) | fill;
        pair[5] = (((w[1]) << 6) & 0x9c009c00u) | fill;
        pair[6] = (((w[1]) << 10) & 0x1c001c00u) | (((w[1]) << 1) & 0x80008000u) | fill;
        pair[7] = (((w[1]) << 2) & 0x80008000u) | (((w[1]) << 4) & 0x18001800u) | (((w[1]) << 7) & 0x04000400u) | fill;
        pair[8] = (w[2] & 0x9c009c00u) | fill;
        pair[9] = (((w[2]) << 6) & 0x9c009c00u) | fill;
        pair[10] = (((w[2]) << 10) & 0x1c001c00u) | (((w[2]) << 1) & 0x80008000u) | fill;
        pair[11] = (((w[2]) << 2) & 0x80008000u) | (((w[2]) << 4) & 0x18001800u) | (((w[2]) << 7) & 0x04000400u) | fill;
        pair[12] = (w[3] & 0x9c009c00u) | fill;
        pair[13] = (((w[3]) << 6) & 0x9c009c00u) | fill;
        pair[14] = (((w[3]) << 10) & 0x1c001c00u) | (((w[3]) << 1) & 0x80008000u) | fill;
        pair[15] = (((w[3]) << 2) & 0x80008000u) | (((w[3]) << 4) & 0x18001800u) | (((w[3]) << 7) & 0x04000400u) | fill;
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0x9c009c00u) | rotate_left(pair[1] & 0x9c009c00u, 26) | rotate_left(pair[2] & 0x1c001c00u, 22) | rotate_left(pair[2] & 0x80008000u, 31) | rotate_left(pair[3] & 0x80008000u, 30) | rotate_left(pair[3] & 0x18001800u, 28) | rotate_left(pair[3] & 0x04000400u, 25);
        w[1] = (pair[4] & 0x9c009c00u) | rotate_left(pair[5] & 0x9c009c00u, 26) | rotate_left(pair[6] & 0x1c001c00u, 22) | rotate_left(pair[6] & 0x80008000u, 31) | rotate_left(pair[7] & 0x80008000u, 30) | rotate_left(pair[7] & 0x18001800u, 28) | rotate_left(pair[7] & 0x04000400u, 25);
        w[2] = (pair[8] & 0x9c009c00u) | rotate_left(pair[9] & 0x9c009c00u, 26) | rotate_left(pair[10] & 0x1c001c00u, 22) | rotate_left(pair[10] & 0x80008000u, 31) | rotate_left(pair[11] & 0x80008000u, 30) | rotate_left(pair[11] & 0x18001800u, 28) | rotate_left(pair[11] & 0x04000400u, 25);
        w[3] = (pair[12] & 0x9c009c00u) | rotate_left(pair[13] & 0x9c009c00u, 26) | rotate_left(pair[14] & 0x1c001c00u, 22) | rotate_left(pair[14] & 0x80008000u, 31) | rotate_left(pair[15] & 0x80008000u, 30) | rotate_left(pair[15] & 0x18001800u, 28) | rotate_left(pair[15] & 0x04000400u, 25);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x4*>(tile + 0)[lane] = u32x4{w[0], w[1], w[2], w[3]};
    }
};

template <>
struct Codes<FORMAT_3> {
    static const i32 words = 3, tile_bytes = 384;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x2 v0 = ldg_stream(reinterpret_cast<const u32x2*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y;
        u32 v1 = ldg_stream(reinterpret_cast<const u32*>(tile + 256) + lane);
        w[2] = v1;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        pair[0] = (w[0] & 0x8c008c00u) | fill;
        pair[1] = (((w[0]) << 2) & 0x8c008c00u) | fill;
        pair[2] = (((w[0]) << 8) & 0x8c008c00u) | fill;
        pair[3] = (((w[0]) << 10) & 0x8c008c00u) | fill;
        pair[4] = (((w[0]) << 1) & 0x80008000u) | (((w[0]) << 5) & 0x08000800u) | (((w[0]) << 6) & 0x04000400u) | fill;
        pair[5] = (w[1] & 0x8c008c00u) | fill;
        pair[6] = (((w[1]) << 2) & 0x8c008c00u) | fill;
        pair[7] = (((w[1]) << 8) & 0x8c008c00u) | fill;
        pair[8] = (((w[1]) << 10) & 0x8c008c00u) | fill;
        pair[9] = (((w[1]) << 1) & 0x80008000u) | (((w[1]) << 5) & 0x08000800u) | (((w[1]) << 6) & 0x04000400u) | fill;
        pair[10] = (w[2] & 0x8c008c00u) | fill;
        pair[11] = (((w[2]) << 2) & 0x8c008c00u) | fill;
        pair[12] = (((w[2]) << 8) & 0x8c008c00u) | fill;
        pair[13] = (((w[2]) << 10) & 0x8c008c00u) | fill;
        pair[14] = (((w[2]) << 1) & 0x80008000u) | (((w[2]) << 5) & 0x08000800u) | (((w[2]) << 6) & 0x04000400u) | fill;
        pair[15] = (((w[0]) << 3) & 0x80008000u) | (((w[1]) >> 1) & 0x08000800u) | (((w[2]) >> 2) & 0x04000400u) | fill;
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0x8c008c00u) | rotate_left(pair[1] & 0x8c008c00u, 30) | rotate_left(pair[2] & 0x8c008c00u, 24) | rotate_left(pair[3] & 0x8c008c00u, 22) | rotate_left(pair[4] & 0x80008000u, 31) | rotate_left(pair[4] & 0x08000800u, 27) | rotate_left(pair[4] & 0x04000400u, 26) | rotate_left(pair[15] & 0x80008000u, 29);
        w[1] = (pair[5] & 0x8c008c00u) | rotate_left(pair[6] & 0x8c008c00u, 30) | rotate_left(pair[7] & 0x8c008c00u, 24) | rotate_left(pair[8] & 0x8c008c00u, 22) | rotate_left(pair[9] & 0x80008000u, 31) | rotate_left(pair[9] & 0x08000800u, 27) | rotate_left(pair[9] & 0x04000400u, 26) | rotate_left(pair[15] & 0x08000800u, 1);
        w[2] = (pair[10] & 0x8c008c00u) | rotate_left(pair[11] & 0x8c008c00u, 30) | rotate_left(pair[12] & 0x8c008c00u, 24) | rotate_left(pair[13] & 0x8c008c00u, 22) | rotate_left(pair[14] & 0x80008000u, 31) | rotate_left(pair[14] & 0x08000800u, 27) | rotate_left(pair[14] & 0x04000400u, 26) | rotate_left(pair[15] & 0x04000400u, 2);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x2*>(tile + 0)[lane] = u32x2{w[0], w[1]};
        reinterpret_cast<u32*>(tile + 256)[lane] = u32{w[2]};
    }
};

template <>
struct Codes<FORMAT_2> {
    static const i32 words = 2, tile_bytes = 256;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x2 v0 = ldg_stream(reinterpret_cast<const u32x2*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        pair[0] = (w[0] & 0x84008400u) | fill;
        pair[1] = (((w[0]) << 2) & 0x84008400u) | fill;
        pair[2] = (((w[0]) << 4) & 0x84008400u) | fill;
        pair[3] = (((w[0]) << 6) & 0x84008400u) | fill;
        pair[4] = (((w[0]) << 8) & 0x84008400u) | fill;
        pair[5] = (((w[0]) << 10) & 0x84008400u) | fill;
        pair[6] = (rotate_left(w[0], 12) & 0x84008400u) | fill;
        pair[7] = (rotate_left(w[0], 14) & 0x84008400u) | fill;
        pair[8] = (w[1] & 0x84008400u) | fill;
        pair[9] = (((w[1]) << 2) & 0x84008400u) | fill;
        pair[10] = (((w[1]) << 4) & 0x84008400u) | fill;
        pair[11] = (((w[1]) << 6) & 0x84008400u) | fill;
        pair[12] = (((w[1]) << 8) & 0x84008400u) | fill;
        pair[13] = (((w[1]) << 10) & 0x84008400u) | fill;
        pair[14] = (rotate_left(w[1], 12) & 0x84008400u) | fill;
        pair[15] = (rotate_left(w[1], 14) & 0x84008400u) | fill;
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0x84008400u) | rotate_left(pair[1] & 0x84008400u, 30) | rotate_left(pair[2] & 0x84008400u, 28) | rotate_left(pair[3] & 0x84008400u, 26) | rotate_left(pair[4] & 0x84008400u, 24) | rotate_left(pair[5] & 0x84008400u, 22) | rotate_left(pair[6] & 0x84008400u, 20) | rotate_left(pair[7] & 0x84008400u, 18);
        w[1] = (pair[8] & 0x84008400u) | rotate_left(pair[9] & 0x84008400u, 30) | rotate_left(pair[10] & 0x84008400u, 28) | rotate_left(pair[11] & 0x84008400u, 26) | rotate_left(pair[12] & 0x84008400u, 24) | rotate_left(pair[13] & 0x84008400u, 22) | rotate_left(pair[14] & 0x84008400u, 20) | rotate_left(pair[15] & 0x84008400u, 18);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x2*>(tile + 0)[lane] = u32x2{w[0], w[1]};
    }
};

template <>
struct Codes<FORMAT_16> {
    static const i32 words = 16, tile_bytes = 2048;
    DEVICE void load(const u8* tile, i32 lane, u32* w) {
        u32x4 v0 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 0) + lane);
        w[0] = v0.x; w[1] = v0.y; w[2] = v0.z; w[3] = v0.w;
        u32x4 v1 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 512) + lane);
        w[4] = v1.x; w[5] = v1.y; w[6] = v1.z; w[7] = v1.w;
        u32x4 v2 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 1024) + lane);
        w[8] = v2.x; w[9] = v2.y; w[10] = v2.z; w[11] = v2.w;
        u32x4 v3 = ldg_stream(reinterpret_cast<const u32x4*>(tile + 1536) + lane);
        w[12] = v3.x; w[13] = v3.y; w[14] = v3.z; w[15] = v3.w;
    }
    DEVICE void decode(const u32* w, u32* pair, u32 fill) {
        (void)fill;
        pair[0] = w[0];
        pair[1] = w[1];
        pair[2] = w[2];
        pair[3] = w[3];
        pair[4] = w[4];
        pair[5] = w[5];
        pair[6] = w[6];
        pair[7] = w[7];
        pair[8] = w[8];
        pair[9] = w[9];
        pair[10] = w[10];
        pair[11] = w[11];
        pair[12] = w[12];
        pair[13] = w[13];
        pair[14] = w[14];
        pair[15] = w[15];
    }
    DEVICE void encode(const u32* pair, u32* w) {
        w[0] = (pair[0] & 0xffffffffu);
        w[1] = (pair[1] & 0xffffffffu);
        w[2] = (pair[2] & 0xffffffffu);
        w[3] = (pair[3] & 0xffffffffu);
        w[4] = (pair[4] & 0xffffffffu);
        w[5] = (pair[5] & 0xffffffffu);
        w[6] = (pair[6] & 0xffffffffu);
        w[7] = (pair[7] & 0xffffffffu);
        w[8] = (pair[8] & 0xffffffffu);
        w[9] = (pair[9] & 0xffffffffu);
        w[10] = (pair[10] & 0xffffffffu);
        w[11] = (pair[11] & 0xffffffffu);
        w[12] = (pair[12] & 0xffffffffu);
        w[13] = (pair[13] & 0xffffffffu);
        w[14] = (pair[14] & 0xffffffffu);
        w[15] = (pair[15] & 0xffffffffu);
    }
    DEVICE void store(u8* tile, i32 lane, const u32* w) {
        reinterpret_cast<u32x4*>(tile + 0)[lane] = u32x4{w[0], w[1], w[2], w[3]};
        reinterpret_cast<u32x4*>(tile + 512)[lane] = u32x4{w[4], w[5], w[6], w[7]};
        reinterpret_cast<u32x4*>(tile + 1024)[lane] = u32x4{w[8], w[9], w[10], w[11]};
        reinterpret_cast<u32x4*>(tile + 1536)[lane] = u32x4{w[12], w[13], w[14], w[15]};
    }
};
