// window: a strided view of up to 6 axes, and elements of any type behind it; window.py has the same structure
//
//   element (i0, i1, ...) lies at i0 * strides[0] + i1 * strides[1] + ... elements from the address
//   element number n is the one whose (i0, i1, ...) counts to n in row order
#pragma once
#include "dsc_prim.h"

enum Type : i32 { F16, F32, I32, I64, U8, I8, BOOL };

struct Axes {  // of the space that a kernel runs over
    i32 rank;
    i32 shape[6];
};
struct Strides {
    i32 of[6];
};
struct Window {
    i32 rank;
    i32 shape[6];
    i32 strides[6];
};

DEVICE i64 place(const Window& window, u32 n) {
    i64 at = 0;
    for (i32 axis = window.rank - 1; axis > 0; axis--) {
        u32 size = window.shape[axis], rest = n / size;
        at += i64(n - rest * size) * window.strides[axis];
        n = rest;
    }
    return window.rank ? at + i64(n) * window.strides[0] : 0;
}

DEVICE u16 load_u16(const void* x, i64 i) {
    return static_cast<const u16*>(x)[i];
}

// A float of type F16 or F32.
DEVICE f32 load_float(i32 type, const void* x, i64 i) {
    return type == F16 ? to_f32(f16{load_u16(x, i)}) : static_cast<const f32*>(x)[i];
}
DEVICE void store_float(i32 type, void* y, i64 i, f32 value) {
    if (type == F16) static_cast<f16*>(y)[i] = to_f16(value);
    else static_cast<f32*>(y)[i] = value;
}

DEVICE bool is_float(i32 type) {
    return type == F16 || type == F32;
}
DEVICE i64 load_int(i32 type, const void* x, i64 i) {
    switch (type) {
        case I32: return static_cast<const i32*>(x)[i];
        case I64: return static_cast<const i64*>(x)[i];
        case I8: return static_cast<const i8*>(x)[i];
        default: return static_cast<const u8*>(x)[i];
    }
}
DEVICE void store_int(i32 type, void* y, i64 i, i64 value) {  // the low bits
    switch (type) {
        case I32: static_cast<i32*>(y)[i] = i32(value); return;
        case I64: static_cast<i64*>(y)[i] = value; return;
        case BOOL: static_cast<u8*>(y)[i] = value != 0; return;
        default: static_cast<u8*>(y)[i] = u8(value); return;
    }
}

DEVICE i64 saturated(f32 x, i64 low, i64 high) {  // ONNX leaves it open; here the nearest end, and 0 for NaN
    if (x != x) return 0;
    if (x <= f32(low)) return low;
    if (x >= f32(high)) return high;
    return i64(x);
}
DEVICE i64 to_int(i32 type, f32 x) {
    switch (type) {
        case I32: return saturated(x, -2147483647 - 1, 2147483647);
        case I64: return saturated(x, -9223372036854775807 - 1, 9223372036854775807);
        case I8: return saturated(x, -128, 127);
        case BOOL: return x != 0.0f;
        default: return saturated(x, 0, 255);
    }
}

// One element from any type to any other: ONNX's Cast.
DEVICE void convert(i32 from, const void* x, i64 at, i32 to, void* y, i64 i) {
    if (is_float(from)) {
        f32 value = load_float(from, x, at);
        if (is_float(to)) store_float(to, y, i, value);
        else store_int(to, y, i, to_int(to, value));
    } else {
        i64 value = load_int(from, x, at);
        if (is_float(to)) store_float(to, y, i, f32(value));
        else store_int(to, y, i, value);
    }
}

// One half, or eight, as floats and back.
DEVICE void unpack(f16 from, f32* to) {
    to[0] = to_f32(from);
}
DEVICE void unpack(u32x4 from, f32* to) {
    to[0] = low_f32(from.x), to[1] = high_f32(from.x), to[2] = low_f32(from.y), to[3] = high_f32(from.y);
    to[4] = low_f32(from.z), to[5] = high_f32(from.z), to[6] = low_f32(from.w), to[7] = high_f32(from.w);
}
DEVICE void pack(const f32* from, f16* to) {
    *to = to_f16(from[0]);
}
DEVICE void pack(const f32* from, u32x4* to) {
    *to = {pack_f16(from[0], from[1]), pack_f16(from[2], from[3]), pack_f16(from[4], from[5]), pack_f16(from[6], from[7])};
}

// x clipped to [low, high]; NaN stays NaN.
DEVICE f32 clipped(f32 x, f32 low, f32 high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}
