// skinny: a product of few columns, bound by reading the weights: the warps of a block share out k, and so do blocks.
//
//   block: 16 * R rows x 8 * N pixels x one split of k
//
//   warp 0   tile 0, W, 2W ...  ┐                         ┌ one split:   epilogue
//   warp 1   tile 1, W + 1 ...  ├ sums, in shared memory ─┤
//   ...                         ┘                         └ more: to `partial`; the last block to arrive adds all, in order
//
// The order of every sum is fixed, whoever comes last: the same bits each time.
#pragma once
#include "columns.h"
#include "epilogue.h"

template <int format>
DEVICE void load_codes(const ConvArgs& s, const u8* panel, i32 tile, i32 lane, u32* w) {
    Codes<format>::load(panel + i64(tile) * Codes<format>::tile_bytes, lane, w);
}

// d[R][N][4] += weights of R panels times the columns b, one tile of k
template <int format, int N>
DEVICE void multiply(const u32* w, u32 fill, const u32 b[N][8], f32 d[N][4]) {
    u32 pair[16];
    Codes<format>::decode(w, pair, fill);
    UNROLL for (i32 step = 0; step < 4; step++)
        UNROLL for (i32 i = 0; i < N; i++) mma(d[i], pair + 4 * step, b[i] + 2 * step);
}

template <int R, int N>
struct Slab {  // one set of sums in shared memory; the pitch keeps a warp's fragments on 32 different banks
    static const i32 rows = 16 * R, columns = 8 * N, pitch = rows + 4, floats = columns * pitch;
};

template <int R, int N, bool add>
DEVICE void to_slab(f32* slab, const f32 d[R][N][4], i32 lane) {
    UNROLL for (i32 r = 0; r < R; r++)
        UNROLL for (i32 i = 0; i < N; i++)
            UNROLL for (i32 e = 0; e < 4; e++) {
                i32 row = 16 * r + lane / 4 + e / 2 * 8, column = 8 * i + lane % 4 * 2 + e % 2;
                f32* to = slab + column * Slab<R, N>::pitch + row;
                *to = add ? *to + d[r][i][e] : d[r][i][e];
            }
}

// All warps' sums end in slabs[0]. Shared memory: half as many slabs as warps, rounded up.
template <int R, int N>
DEVICE void add_warps(f32* slabs, const f32 d[R][N][4], i32 warp, i32 lane, i32 warps) {
    typedef Slab<R, N> S;
    i32 half = (warps + 1) / 2;
    if (warp < half) to_slab<R, N, false>(slabs + warp * S::floats, d, lane);
    __syncthreads();
    if (warp >= half) to_slab<R, N, true>(slabs + (warp - half) * S::floats, d, lane);
    __syncthreads();
    for (i32 i = threadIdx.x; i < S::rows * S::columns; i += blockDim.x) {
        f32* to = slabs + i / S::rows * S::pitch + i % S::rows;
        f32 sum = *to;
        for (i32 w = 1; w < half; w++) sum += to[w * S::floats];
        *to = sum;
    }
    __syncthreads();
}

// True in the block that has to finish: slabs[0] then holds the sums of all splits.
template <int R, int N>
DEVICE bool add_splits(const ConvArgs& s, f32* slab) {
    typedef Slab<R, N> S;
    SHARED(u32, before, 1);
    i32 block = blockIdx.y * gridDim.x + blockIdx.x, count = S::rows * S::columns;
    f32* partial = s.partial + i64(block) * s.splits * count;
    for (i32 i = threadIdx.x; i < count; i += blockDim.x)
        partial[blockIdx.z * count + i] = slab[i / S::rows * S::pitch + i % S::rows];
    fence();
    __syncthreads();
    if (threadIdx.x == 0) before[0] = atomic_add(s.arrived + block, 1u);
    __syncthreads();
    if (before[0] != u32(s.splits) - 1) return false;
    fence();
    for (i32 i = threadIdx.x; i < count; i += blockDim.x) {
        f32 sum = 0.0f;
        for (i32 z = 0; z < s.splits; z++) sum += load_fresh(partial + z * count + i);
        slab[i / S::rows * S::pitch + i % S::rows] = sum;
    }
    if (threadIdx.x == 0) s.arrived[block] = 0;
    __syncthreads();
    return true;
}

template <int format, int R, int N, class Columns>
DEVICE void skinny(const ConvArgs& s) {
    DYNAMIC_SHARED(u8, shared);  // first the columns of each warp, then the slabs
    f32* slabs = reinterpret_cast<f32*>(shared);
    i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    i32 blocks_of_group = (s.panels + R - 1) / R;
    i32 group = blockIdx.y / blocks_of_group, panel = blockIdx.y % blocks_of_group * R;
    i32 pixel = blockIdx.x * 8 * N;
    i32 first = i64(s.tiles) * blockIdx.z / s.splits, last = i64(s.tiles) * (blockIdx.z + 1) / s.splits;
    const u8* panel_at = s.weight + i64(group * s.panels + panel) * s.tiles * Codes<format>::tile_bytes;
    i64 panel_bytes = i64(s.tiles) * Codes<format>::tile_bytes;
    i32 real = s.panels - panel < R ? s.panels - panel : R;

    Columns columns;
    Columns::start(columns, s, group, pixel, lane, shared + warp * Columns::warp_bytes);
    f32 d[R][N][4] = {};
    u32 w[R][Codes<format>::words];
    UNROLL for (i32 r = 0; r < R; r++)
        if (r < real && first + warp < last) load_codes<format>(s, panel_at + r * panel_bytes, first + warp, lane, w[r]);
    for (i32 tile = first + warp; tile < last; tile += warps) {
        u32 b[N][8];
        Columns::load(columns, s, tile, lane, b);
        UNROLL for (i32 r = 0; r < R; r++) {
            if (r >= real) break;
            multiply<format, N>(w[r], s.fill, b, d[r]);
            if (tile + warps < last) load_codes<format>(s, panel_at + r * panel_bytes, tile + warps, lane, w[r]);
        }
    }
    if (Columns::warp_bytes) __syncthreads();
    add_warps<R, N>(slabs, d, warp, lane, warps);
    if (s.splits > 1 && !add_splits<R, N>(s, slabs)) return;
    finish(s, slabs, Slab<R, N>::pitch, 16 * R, 8 * N, group, 16 * panel, pixel);
}
