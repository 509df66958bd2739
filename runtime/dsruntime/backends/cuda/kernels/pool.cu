// pool: max_pool and average_pool over NHWC halves; a thread has one channel of one window, or eight
#include "window.h"

struct Pool {
    i32 h, w, channels, out_h, out_w;
    i32 kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    i32 counted_low_h, counted_high_h, counted_low_w, counted_high_w;  // rows and columns that an average's divisor counts
};

DEVICE f32 larger(f32 a, f32 b) {  // NaN wins
    return b > a || b != b ? b : a;
}
DEVICE f32 divisor(const Pool& p, i32 top, i32 left) {
    i32 rows = 0, columns = 0;
    for (i32 r = 0; r < p.kernel_h; r++) {
        i32 y = top + r * p.dilation_h;
        rows += y >= p.counted_low_h && y < p.counted_high_h;
    }
    for (i32 s = 0; s < p.kernel_w; s++) {
        i32 x = left + s * p.dilation_w;
        columns += x >= p.counted_low_w && x < p.counted_high_w;
    }
    return f32(rows * columns);
}

template <bool average, i32 width, class Halves>  // width halves at a time
DEVICE void pool(const Halves* x, Halves* y, const Pool& p, u32 n) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    u32 groups = p.channels / width, c = i % groups, column = i / groups % p.out_w;
    u32 row = i / groups / p.out_w % p.out_h, batch = i / groups / p.out_w / p.out_h;
    i32 top = i32(row) * p.stride_h - p.pad_top, left = i32(column) * p.stride_w - p.pad_left;
    f32 best[width];
    UNROLL for (i32 k = 0; k < width; k++) best[k] = average ? 0.0f : from_bits(0xFF800000);
    for (i32 r = 0; r < p.kernel_h; r++) {
        i32 at_row = top + r * p.dilation_h;
        if (at_row < 0 || at_row >= p.h) continue;
        for (i32 s = 0; s < p.kernel_w; s++) {
            i32 at_column = left + s * p.dilation_w;
            if (at_column < 0 || at_column >= p.w) continue;
            f32 seen[width];
            unpack(ldg(x + ((i64(batch) * p.h + at_row) * p.w + at_column) * groups + c), seen);
            UNROLL for (i32 k = 0; k < width; k++) best[k] = average ? best[k] + seen[k] : larger(best[k], seen[k]);
        }
    }
    f32 count = average ? divisor(p, top, left) : 1.0f;
    if (average)
        UNROLL for (i32 k = 0; k < width; k++) best[k] /= count;
    pack(best, y + i);
}

KERNEL(max_pool, 256, const f16* x, f16* y, Pool p, u32 n) {
    pool<false, 1>(x, y, p, n);
}
KERNEL(max_pool_by_8, 256, const u32x4* x, u32x4* y, Pool p, u32 n) {
    pool<false, 8>(x, y, p, n);
}
KERNEL(average_pool, 256, const f16* x, f16* y, Pool p, u32 n) {
    pool<true, 1>(x, y, p, n);
}
KERNEL(average_pool_by_8, 256, const u32x4* x, u32x4* y, Pool p, u32 n) {
    pool<true, 8>(x, y, p, n);
}
