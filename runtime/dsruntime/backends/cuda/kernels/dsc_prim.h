// dsc_prim: everything that a kernel may use, and nothing else. Two implementations of one list:
//
//   dsc_prim_cuda.h   NVRTC or nvcc, sm_75 and later: inline PTX, no system header
//   dsc_prim_emu.h    g++: every thread of a block is a fiber, collectives meet in the middle; for tests without a GPU
//
// A kernel is written once:
//
//   KERNEL(relu, 256, const f16* x, f16* y, i32 n) {               name, most threads a block, parameters
//       i32 i = blockIdx.x * blockDim.x + threadIdx.x;
//       if (i < n) y[i] = to_f16(fmaxf(to_f32(x[i]), 0.0f));
//   }
//
//   DEVICE f32 twice(f32 x) { return x + x; }                      a function that kernels call
//   SHARED(f32, sums, 32);                                         f32 sums[32], one for the block
//   DYNAMIC_SHARED(u8, buffer);                                    u8* buffer: the bytes that the launch asked for
//   UNROLL for (...)                                               unrolled by the compiler for the GPU
//
// Also: threadIdx, blockIdx, blockDim, gridDim; __syncthreads(); expf logf tanhf erff erfcf powf sqrtf fmaf fminf fmaxf
// fabsf floorf ceilf rintf truncf. Warp collectives want all 32 lanes of the warp: the emulation refuses anything else.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;

struct f16 {  // IEEE half, as its bits: arithmetic happens in f32
    u16 bits;
};
struct alignas(8) u32x2 {
    u32 x, y;
};
struct alignas(16) u32x4 {
    u32 x, y, z, w;
};
struct alignas(16) f32x4 {
    f32 x, y, z, w;
};

#ifdef __CUDACC__
#include "dsc_prim_cuda.h"
#else
#include "dsc_prim_emu.h"
#endif

// What both implementations define:
//
//   f32 to_f32(f16)                   f16 to_f16(f32)             rounded to nearest even; above 65504 is infinity
//   f32 from_bits(u32)                u32 to_bits(f32)
//   u32 pack_f16(f32 low, f32 high)   two halves in one register, rounded like to_f16
//   T ldg(const T*)                   a load of what no thread writes while the kernel runs; T of 1, 2, 4, 8 or 16 bytes
//   T ldg_stream(const T*)            the same past the L1, for weights: each is read once; T of 4, 8 or 16 bytes
//   f32 load_fresh(const f32*)        from L2: what other blocks of this launch wrote before a fence()
//   u32 mul_high(u32, u32)            the upper half of the product
//   u32 lop3<table>(a, b, c)          any function of three bits: table = f(0xF0, 0xCC, 0xAA)
//   u32 shift_left(u32, u32)          0 from 32 on (C++ leaves that undefined)
//   T shfl(T, lane)  T shfl_xor(T, mask)  T shfl_down(T, by)      T of 4 or 8 bytes; T(0) + x works
//   u32 vote(bool)                    void sync_warp()
//   T atomic_add(T*, T)               T of i32, u32, f32: the value before. red_add: without the value
//   void fence()                      what this thread wrote is seen by the device before what it writes next
//   mma(f32 d[4], const u32 a[4], const u32 b[2])                 d += a * b, m16n8k16, halves in, f32 sums (below)
//   cp_async16(shared, global, bool valid)                        16 bytes, or zeros and global is not read
//   cp_async_commit()  cp_async_wait<n>()                         wait until at most n of this thread's groups are open
//
// mma, lane = 4 * g + t: a[0] row g, a[1] row g + 8, both at k = 2t, 2t + 1; a[2], a[3] the same at k + 8; b[0] at
// k = 2t, 2t + 1 and b[1] at k + 8, column g; d[0], d[1] row g, columns 2t, 2t + 1; d[2], d[3] row g + 8.
// (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type"; on sm_75 it is two m16n8k8.)

DEVICE u32 rotate_left(u32 x, u32 by) {  // by 1 .. 31
    return x << by | x >> (32 - by);
}
DEVICE f32 low_f32(u32 pair) {
    return to_f32(f16{u16(pair)});
}
DEVICE f32 high_f32(u32 pair) {
    return to_f32(f16{u16(pair >> 16)});
}
DEVICE f32 warp_sum(f32 x) {  // in every lane; the same order whatever the data, so the same bits each time
    UNROLL for (i32 mask = 16; mask; mask >>= 1) x += shfl_xor(x, mask);
    return x;
}
DEVICE f32 warp_max(f32 x) {  // NaN if there is one: fmaxf alone would drop it
    UNROLL for (i32 mask = 16; mask; mask >>= 1) {
        f32 other = shfl_xor(x, mask);
        x = other > x || other != other ? other : x;
    }
    return x;
}
