// shift: a weight is a sign and a level; value = scale[c] * sign * 2^(base[c] - level)
//
//   stored = transpose(value, order), n elements; c is the index in stored dimension 0
//
//   level codes, b - 1 bits     zero = false   0 .. 2^(b-1)-1   a power of two, counted down from base
//                               zero = true    all bits set     the weight 0; its sign bit must be 0
//                                              any other        a power of two
//
//   planes (planes.h), each at the next multiple of 64 bytes, zeros between and in the unused bits of a plane's last byte
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "codec.h"
#include "codes.h"

namespace dsf {
namespace {

// Up to 8 bytes, the missing ones as zeros.
uint64_t load(const uint8_t* bytes, uint64_t count) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, count < 8 ? count : 8);
    return word;
}

// The lowest bits of x, each moved to the lowest bit of its own 2- or 4-bit field.
uint64_t spread_to_2(uint64_t x) {
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
    x = (x | x << 2) & 0x3333333333333333;
    return (x | x << 1) & 0x5555555555555555;
}

uint64_t spread_to_4(uint64_t x) {
    x = (x | x << 24) & 0x000000FF000000FF;
    x = (x | x << 12) & 0x000F000F000F000F;
    x = (x | x << 6) & 0x0303030303030303;
    return (x | x << 3) & 0x1111111111111111;
}

// Nonzero where a weight among those of 64 low-plane bits is a zero with a sign. marks: their sign (and high) bits.
template <int WIDTH> uint64_t signed_zeros(uint64_t low, uint64_t marks) {
    if (WIDTH == 1) return low & marks;
    if (WIDTH == 2) return low & low >> 1 & spread_to_2(marks);
    uint64_t pairs = low & low >> 1;
    return pairs & pairs >> 2 & spread_to_4(marks);
}

// Index of the first 64-bit word of the low plane that holds a signed zero, or -1. Missing bytes count as zeros, which
// are no signed zeros.
template <int WIDTH> int64_t find_signed_zero(const Codes& codes) {
    constexpr uint64_t SIGN_BYTES = 8 / WIDTH;  // that belong to 8 bytes of the low plane
    const PlaneLayout& planes = codes.planes;
    const uint8_t *sign = codes.at(planes.sign), *low = codes.at(planes.low), *high = codes.at(planes.high);
    uint64_t words = (planes.low.length + 7) / 8;
    uint64_t whole = std::min(planes.low.length / 8, planes.sign.length / SIGN_BYTES);
    auto word_is_bad = [&](uint64_t word, uint64_t low_bytes, uint64_t sign_bytes) {
        uint64_t marks = load(sign + word * SIGN_BYTES, sign_bytes);
        if (high) marks &= load(high + word * SIGN_BYTES, sign_bytes);
        return signed_zeros<WIDTH>(load(low + word * 8, low_bytes), marks) != 0;
    };
    for (uint64_t word = 0; word < whole; ++word)
        if (word_is_bad(word, 8, SIGN_BYTES)) return static_cast<int64_t>(word);
    for (uint64_t word = whole; word < words; ++word)
        if (word_is_bad(word, planes.low.length - word * 8,
                        std::min(SIGN_BYTES, planes.sign.length - word * SIGN_BYTES)))
            return static_cast<int64_t>(word);
    return -1;
}

void check_codes(const Stored& stored, const Codes& codes) {
    const int width = codes.planes.low.width;
    int64_t word = -1;
    if (width == 1) word = find_signed_zero<1>(codes);
    if (width == 2) word = find_signed_zero<2>(codes);
    if (width == 4) word = find_signed_zero<4>(codes);
    if (word < 0) return;
    int64_t first = word * 64 / width;
    stored.refuse("a zero among weights " + std::to_string(first) + " to " + std::to_string(first + 64 / width - 1) +
                      " has a sign",
                  "zeros without one");
}

// previous: where the plane before it ends.
void check_padding(const Stored& stored, const Plane& plane, uint64_t elements, uint64_t previous) {
    const uint8_t* bytes = stored.bytes.get();
    for (uint64_t i = previous; i < plane.offset; ++i)
        if (bytes[i] != 0) stored.refuse("bytes between its planes are set", "zeros");
    uint64_t used = elements * static_cast<uint64_t>(plane.width) % 8;
    if (used != 0 && bytes[plane.offset + plane.length - 1] >> used != 0)
        stored.refuse("unused bits at the end of a plane are set", "zeros");
}

void check_order(const Stored& stored) {
    const int rank = stored.type.shape.rank;
    if (stored.order.empty()) return;
    std::array<bool, MAX_RANK> seen{};
    bool legal = static_cast<int>(stored.order.size()) == rank;
    for (size_t i = 0; legal && i < stored.order.size(); ++i) {
        int axis = stored.order[i];
        legal = axis >= 0 && axis < rank && !seen[static_cast<size_t>(axis)];
        if (legal) seen[static_cast<size_t>(axis)] = true;
    }
    if (!legal) stored.refuse("its order is no permutation of its axes", "each axis once");
}

void check_scales(const Stored& stored, const Codes& codes, int64_t channels) {
    auto one_or_each = [&](size_t count) { return count == 1 || static_cast<int64_t>(count) == channels; };
    if (!one_or_each(codes.base.size()))
        stored.refuse("it has " + std::to_string(codes.base.size()) + " bases", "1 or " + std::to_string(channels));
    if (!codes.scale.empty() && !one_or_each(codes.scale.size()))
        stored.refuse("it has " + std::to_string(codes.scale.size()) + " scales",
                      "none, 1 or " + std::to_string(channels));
    for (size_t c = 0; c < codes.scale.size(); ++c)
        if (!std::isnormal(codes.scale[c]) || codes.scale[c] <= 0)
            stored.refuse("scale " + std::to_string(c) + " is " + std::to_string(codes.scale[c]),
                          "a positive normal number");
    const int64_t count = static_cast<int64_t>(std::max(codes.base.size(), codes.scale.size()));
    for (int64_t c = 0; c < count; ++c)
        if (!std::isfinite(codes.scale_of(c) * std::ldexp(1.0f, codes.base_of(c))))
            stored.refuse("scale * 2^base of channel " + std::to_string(c) + " is infinite", "a finite number");
}

}  // namespace

Form open_shift(Stored stored) {
    const std::string codec = stored.codec.name;
    const Shape& shape = stored.type.shape;
    Codes codes;
    codes.bits = stored.shift->bits;
    codes.zero = stored.shift->zero;
    codes.base = std::move(stored.shift->base);
    codes.scale = std::move(stored.shift->scale);
    if (stored.type.dtype != Dtype::float32)
        stored.refuse("codec " + codec + " has dtype " + name_of(stored.type.dtype), "float32");
    if (shape.rank == 0) stored.refuse("codec " + codec + " has rank 0", "rank 1 to 6");
    if (codes.bits < 1 || codes.bits > MAX_BITS)
        stored.refuse("codec " + codec + " has " + std::to_string(codes.bits) + " bits", "1 to 6");
    if (codes.zero && codes.bits == 1) stored.refuse("1 bit cannot hold zeros", "2 bits or more");
    check_order(stored);
    check_scales(stored, codes, stored_shape(shape, stored.order)[0]);

    const uint64_t elements = static_cast<uint64_t>(shape.elements());
    codes.planes = lay_out_planes(codes.bits, elements);
    if (codes.planes.length != stored.length)
        stored.refuse("it has " + std::to_string(stored.length) + " bytes", std::to_string(codes.planes.length) +
                                                                                " as " + codec + " of " +
                                                                                std::to_string(codes.bits) + " bits");
    uint64_t previous = 0;
    for (const Plane* plane : {&codes.planes.sign, &codes.planes.low, &codes.planes.high})
        if (plane->width != 0) {
            check_padding(stored, *plane, elements, previous);
            previous = plane->offset + plane->length;
        }
    codes.bytes = stored.bytes;
    codes.order = stored.order;
    if (codes.zero) check_codes(stored, codes);
    return codes;
}

}  // namespace dsf
