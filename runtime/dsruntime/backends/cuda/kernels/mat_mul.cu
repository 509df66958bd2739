// mat_mul: y[batch][m][n] = clip(alpha * sum over k of a[batch][m][k] * b[batch][k][n]), both operands activations
//
// A block of four warps makes 64 x 64 of y, 32 k at a time: both operands pass through shared memory as [64][32] halves,
// k fastest, whatever their strides; the next 32 k are on their way while these are multiplied. Each warp does 32 x 32.
#include "epilogue.h"

struct Operand {
    const f16* at;
    i64 batch[4];          // strides of the batch dimensions
    i64 row, k;            // strides of m or n, and of k; in elements
    i32 rows, along;       // along: 16-byte loads along k (1) or along rows (2), or single ones (0)
};
struct MatMul {
    Operand a, b;
    f16* y;
    u32* overflow;
    u32 tag;
    i32 batches, sizes[4];  // of the batch dimensions, the last one fastest
    i32 k;
    f32 alpha, low, high;
};

static const i32 tile = 64, step = 32, pitch = step + 8;  // the pitch keeps fragments on different banks

struct Place {
    i32 row, k;
};
DEVICE Place place(const Operand& o, i32 entry) {  // single loads: neighbouring threads read neighbouring memory
    return o.row == 1 ? Place{entry % tile, entry / tile} : Place{entry / step, entry % step};
}

// The thread's 16 halves of rows first .. first + 63 and k .. k + 31, zeros outside.
DEVICE void fetch(const Operand& o, const f16* at, i32 first, i32 k, i32 depth, u32 part[8]) {
    i32 thread = threadIdx.x;
    UNROLL for (i32 i = 0; i < 8; i++) part[i] = 0;
    if (o.along == 1) {
        UNROLL for (i32 i = 0; i < 2; i++) {
            i32 row = first + thread / 4 + 32 * i, from = k + thread % 4 * 8;
            if (row >= o.rows || from >= depth) continue;
            u32x4 v = ldg(reinterpret_cast<const u32x4*>(at + row * o.row + from));
            part[4 * i] = v.x, part[4 * i + 1] = v.y, part[4 * i + 2] = v.z, part[4 * i + 3] = v.w;
        }
    } else if (o.along == 2) {
        UNROLL for (i32 i = 0; i < 2; i++) {
            i32 row = first + thread % 8 * 8, from = k + thread / 8 + 16 * i;
            if (row >= o.rows || from >= depth) continue;
            u32x4 v = ldg(reinterpret_cast<const u32x4*>(at + row + from * o.k));
            part[4 * i] = v.x, part[4 * i + 1] = v.y, part[4 * i + 2] = v.z, part[4 * i + 3] = v.w;
        }
    } else {
        UNROLL for (i32 i = 0; i < 16; i++) {
            Place at_i = place(o, thread + 128 * i);
            i32 row = first + at_i.row, from = k + at_i.k;
            if (row >= o.rows || from >= depth) continue;
            part[i / 2] |= u32(ldg(at + row * o.row + from * o.k).bits) << i % 2 * 16;
        }
    }
}
DEVICE f16 half_of(const u32 part[8], i32 i) {
    return f16{u16(part[i / 2] >> i % 2 * 16)};
}
DEVICE void store(const Operand& o, const u32 part[8], f16* shared) {
    i32 thread = threadIdx.x;
    if (o.along == 1) {
        UNROLL for (i32 i = 0; i < 2; i++) {
            u32x4* to = reinterpret_cast<u32x4*>(shared + (thread / 4 + 32 * i) * pitch + thread % 4 * 8);
            *to = u32x4{part[4 * i], part[4 * i + 1], part[4 * i + 2], part[4 * i + 3]};
        }
    } else if (o.along == 2) {
        UNROLL for (i32 i = 0; i < 16; i++)
            shared[(thread % 8 * 8 + i % 8) * pitch + thread / 8 + i / 8 * 16] = half_of(part, i);
    } else {
        UNROLL for (i32 i = 0; i < 16; i++) {
            Place to = place(o, thread + 128 * i);
            shared[to.row * pitch + to.k] = half_of(part, i);
        }
    }
}

DEVICE u32 pair_at(const f16* shared, i32 row, i32 k) {
    return *reinterpret_cast<const u32*>(shared + row * pitch + k);
}
DEVICE void multiply(const f16* a, const f16* b, i32 lane, f32 d[2][4][4]) {
    i32 g = lane / 4, t = lane % 4;
    UNROLL for (i32 k = 0; k < step; k += 16) {
        u32 left[2][4], right[4][2];
        UNROLL for (i32 i = 0; i < 2; i++)
            UNROLL for (i32 r = 0; r < 4; r++) left[i][r] = pair_at(a, 16 * i + g + r % 2 * 8, k + 2 * t + r / 2 * 8);
        UNROLL for (i32 j = 0; j < 4; j++)
            UNROLL for (i32 r = 0; r < 2; r++) right[j][r] = pair_at(b, 8 * j + g, k + 2 * t + r * 8);
        UNROLL for (i32 i = 0; i < 2; i++)
            UNROLL for (i32 j = 0; j < 4; j++) mma(d[i][j], left[i], right[j]);
    }
}

DEVICE void write(const MatMul& s, f16* y, i32 row, i32 column, f32 sum, bool& overflow) {
    if (row >= s.a.rows || column >= s.b.rows) return;
    f32 v = clip(s.alpha * sum, s.low, s.high);
    overflow |= too_large(v);
    y[i64(row) * s.b.rows + column] = to_f16(v);
}

DEVICE void one_tile(const MatMul& s, i32 batch, f16* shared_a, f16* shared_b) {
    const f16 *a = s.a.at, *b = s.b.at;
    i32 rest = batch;
    UNROLL for (i32 i = 3; i >= 0; i--) {
        i32 at = rest % s.sizes[i];
        rest /= s.sizes[i];
        a += at * s.a.batch[i], b += at * s.b.batch[i];
    }
    i32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = blockIdx.y * tile, n = blockIdx.x * tile;
    f32 d[2][4][4] = {};
    u32 next_a[8], next_b[8];
    fetch(s.a, a, m, 0, s.k, next_a);
    fetch(s.b, b, n, 0, s.k, next_b);
    for (i32 k = 0; k < s.k; k += step) {
        __syncthreads();
        store(s.a, next_a, shared_a);
        store(s.b, next_b, shared_b);
        __syncthreads();
        fetch(s.a, a, m, k + step, s.k, next_a);
        fetch(s.b, b, n, k + step, s.k, next_b);
        multiply(shared_a + warp / 2 * 32 * pitch, shared_b + warp % 2 * 32 * pitch, lane, d);
    }
    f16* y = s.y + i64(batch) * s.a.rows * s.b.rows;
    bool overflow = false;
    UNROLL for (i32 i = 0; i < 2; i++)
        UNROLL for (i32 j = 0; j < 4; j++)
            UNROLL for (i32 e = 0; e < 4; e++)
                write(s, y, m + warp / 2 * 32 + 16 * i + lane / 4 + e / 2 * 8,
                      n + warp % 2 * 32 + 8 * j + lane % 4 * 2 + e % 2, d[i][j][e], overflow);
    if (overflow && s.overflow) *s.overflow = s.tag;
}

KERNEL(mat_mul, 128, MatMul s) {
    SHARED(u32x4, a, tile * pitch / 8);
    SHARED(u32x4, b, tile * pitch / 8);
    for (i32 batch = blockIdx.z; batch < s.batches; batch += gridDim.z)
        one_tile(s, batch, reinterpret_cast<f16*>(a), reinterpret_cast<f16*>(b));
}
