// top_k: top_k and arg_max along one axis, a block for each row
//
// Entries are in one order: by value, NaN above every number, then the lower index (or the higher one) first. Round k
// finds the first entry that comes after the one of round k - 1.
#include "window.h"

struct Entry {
    bool nan;
    f32 real;
    i64 whole;  // of integer types
    i32 index;  // -1: no entry
};

DEVICE Entry entry(i32 type, const void* x, i64 at, i32 index) {
    Entry e = {false, 0.0f, 0, index};
    if (is_float(type)) e.real = load_float(type, x, at);
    else e.whole = load_int(type, x, at);
    e.nan = e.real != e.real;
    return e;
}
// -1, 0 or 1: a's value is below, equal to or above b's.
DEVICE i32 compared(const Entry& a, const Entry& b) {
    if (a.nan || b.nan) return i32(a.nan) - i32(b.nan);
    i32 order = i32(a.real > b.real) - i32(a.real < b.real);
    return order ? order : i32(a.whole > b.whole) - i32(a.whole < b.whole);
}
// Whether a comes before b; sign: 1 for the largest first, -1 for the smallest. last: among equals the higher index.
DEVICE bool before(const Entry& a, const Entry& b, i32 sign, bool last) {
    if (b.index < 0 || a.index < 0) return a.index >= 0;
    i32 order = compared(a, b) * sign;
    return order ? order > 0 : last ? a.index > b.index : a.index < b.index;
}
DEVICE Entry other_lane(const Entry& e, i32 mask) {
    return {shfl_xor(i32(e.nan), mask) != 0, shfl_xor(e.real, mask), shfl_xor(e.whole, mask), shfl_xor(e.index, mask)};
}

// values may be null (arg_max). Outputs: k entries y_stride apart, rows where y_rows says, in both outputs.
KERNEL(first_k, 128, i32 type, const void* x, Window x_rows, i32 x_stride, i32 n, i32 k, i32 sign, i32 last, void* values,
       i64* indices, Window y_rows, i32 y_stride) {
    SHARED(Entry, found, 4);
    i64 from = place(x_rows, blockIdx.x), to = place(y_rows, blockIdx.x);
    Entry previous = {false, 0.0f, 0, -1};
    for (i32 round = 0; round < k; round++) {
        Entry best = {false, 0.0f, 0, -1};
        for (i32 i = threadIdx.x; i < n; i += blockDim.x) {
            Entry e = entry(type, x, from + i64(i) * x_stride, i);
            bool left = previous.index < 0 || before(previous, e, sign, last != 0);
            if (left && before(e, best, sign, last != 0)) best = e;
        }
        for (i32 mask = 16; mask; mask >>= 1) {
            Entry e = other_lane(best, mask);
            if (before(e, best, sign, last != 0)) best = e;
        }
        __syncthreads();
        if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = best;
        __syncthreads();
        best = found[0];
        for (u32 warp = 1; warp < blockDim.x / 32; warp++)
            if (before(found[warp], best, sign, last != 0)) best = found[warp];
        previous = best;
        if (threadIdx.x) continue;
        i64 at = to + i64(round) * y_stride;
        indices[at] = best.index;
        if (values) convert(type, x, from + i64(best.index) * x_stride, type, values, at);
    }
}
