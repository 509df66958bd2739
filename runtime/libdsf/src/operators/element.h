// Calls a function with the C++ type of a dtype, and conversions between element types.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/tensor.h"

namespace dsf {

struct Half {
    uint16_t bits;
};

struct Bool {
    uint8_t value;
};

// Every float16 is a float32.
inline float to_float(Half half) {
    const uint32_t sign = uint32_t(half.bits & 0x8000u) << 16, exponent = half.bits >> 10 & 31u;
    const uint32_t fraction = half.bits & 0x3ffu;
    if (exponent == 0) {
        const float size = static_cast<float>(fraction) * 0x1p-24f;
        return sign ? -size : size;
    }
    const uint32_t bits = sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Returns f(T{}) with T the element type of dtype.
template <class F> auto with_type(Dtype dtype, F&& f) {
    switch (dtype) {
        case Dtype::float16:
            return f(Half{});
        case Dtype::int8:
            return f(int8_t{});
        case Dtype::uint8:
            return f(uint8_t{});
        case Dtype::int32:
            return f(int32_t{});
        case Dtype::int64:
            return f(int64_t{});
        case Dtype::boolean:
            return f(Bool{});
        case Dtype::float32:
            break;
    }
    return f(float{});
}

// The least value of an integer type, and the first above its largest: powers of two, and so exact in float.
template <class T> constexpr float least_of() { return static_cast<float>(std::numeric_limits<T>::min()); }
template <class T> constexpr float above() {
    return static_cast<float>((std::numeric_limits<T>::max() >> 1) + 1) * 2.0f;
}

// A float becomes an integer by rounding toward zero; out of range it becomes the nearest end, and NaN becomes 0. Between
// integers the low bits are kept.
template <class To, class From> To convert(From from) {
    if constexpr (std::is_same_v<From, Half>) return convert<To>(to_float(from));
    else if constexpr (std::is_same_v<From, Bool>) return convert<To>(uint8_t(from.value != 0));
    else if constexpr (std::is_same_v<To, Bool>) return Bool{uint8_t(from != From(0))};
    else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        if (from != from) return 0;
        if (from <= least_of<To>()) return std::numeric_limits<To>::min();
        if (from >= above<To>()) return std::numeric_limits<To>::max();
        return static_cast<To>(from);
    } else return static_cast<To>(from);
}

// Whether a dtype has this very number; of a float32, NaN and infinities are such.
inline bool holds(Dtype dtype, float value) {
    return with_type(dtype, [&](auto type) {
        using T = decltype(type);
        if constexpr (std::is_same_v<T, float>) return true;
        else if constexpr (std::is_same_v<T, Half>) return value == 0.0f;
        else if constexpr (std::is_same_v<T, Bool>) return value == 0.0f || value == 1.0f;
        else return value == std::trunc(value) && value >= least_of<T>() && value < above<T>();
    });
}

// What orders values in arg_max and top_k: NaN is above everything, and equal to NaN.
inline float ordered(float x) { return x; }
inline float ordered(Half x) { return to_float(x); }
inline int ordered(Bool x) { return x.value != 0; }
template <class T> std::enable_if_t<std::is_integral_v<T>, T> ordered(T x) { return x; }

template <class T> bool greater(T a, T b) { return a > b || (a != a && b == b); }

}  // namespace dsf
