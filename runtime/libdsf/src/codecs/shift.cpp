// shift: a weight is a sign and a level; value = scale[c] * sign * 2^(base[c] - level)
//
//   stored = transpose(value, order), n elements; c is the index in stored dimension 0
//
//   level codes, b - 1 bits     zero = false   0 .. 2^(b-1)-1   a power of two, counted down from base
//                               zero = true    all bits set     the weight 0; its sign bit must be 0
//                                              any other        a power of two
//
//   planes, each at the next multiple of 64 bytes, zeros between and in the unused bits of a plane's last byte:
//     sign    1 bit a weight, 1 is negative
//     level   b = 6: 4 bits, then the high bit    b = 5: 4    b = 4: 2, then the high bit    b = 3: 2    b = 2: 1
//
// In a plane of p bits, weight i sits at bit (i * p) % 8 of byte (i * p) / 8.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/caps.h"
#include "base/memory.h"
#include "codec.h"
#include "shift.h"

namespace dsf {
namespace {

struct Plane {
    const uint8_t* bytes = nullptr;
    int width = 0;  // bits a weight; 0: no such plane
    uint64_t offset = 0, length = 0;
};

struct Planes {
    Plane sign, low, high;
    uint64_t length = 0;
};

constexpr int LOW_WIDTH[MAX_BITS + 1] = {0, 0, 1, 2, 2, 4, 4};
constexpr int HIGH_WIDTH[MAX_BITS + 1] = {0, 0, 0, 0, 1, 0, 1};

Planes lay_out(const Weight& weight, uint64_t elements) {
    Planes planes;
    auto place = [&](Plane& plane, int width) {
        if (width == 0) return;
        plane.width = width;
        plane.offset = (planes.length + 63) / 64 * 64;
        plane.length = (elements * static_cast<uint64_t>(width) + 7) / 8;
        plane.bytes = weight.data + plane.offset;
        planes.length = plane.offset + plane.length;
    };
    place(planes.sign, 1);
    place(planes.low, LOW_WIDTH[weight.shift.bits]);
    place(planes.high, HIGH_WIDTH[weight.shift.bits]);
    return planes;
}

Shape stored_shape(const Weight& weight, const Shape& shape) {
    Shape stored = shape;
    for (size_t axis = 0; axis < weight.order.size(); ++axis)
        stored[static_cast<int>(axis)] = shape[weight.order[axis]];
    return stored;
}

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
template <int WIDTH> int64_t find_signed_zero(const Planes& planes) {
    constexpr uint64_t SIGN_BYTES = 8 / WIDTH;  // that belong to 8 bytes of the low plane
    uint64_t words = (planes.low.length + 7) / 8;
    uint64_t whole = std::min(planes.low.length / 8, planes.sign.length / SIGN_BYTES);
    const uint8_t* high = planes.high.bytes;
    auto word_is_bad = [&](uint64_t word, uint64_t low_bytes, uint64_t sign_bytes) {
        uint64_t marks = load(planes.sign.bytes + word * SIGN_BYTES, sign_bytes);
        if (high) marks &= load(high + word * SIGN_BYTES, sign_bytes);
        return signed_zeros<WIDTH>(load(planes.low.bytes + word * 8, low_bytes), marks) != 0;
    };
    for (uint64_t word = 0; word < whole; ++word)
        if (word_is_bad(word, 8, SIGN_BYTES)) return static_cast<int64_t>(word);
    for (uint64_t word = whole; word < words; ++word)
        if (word_is_bad(word, planes.low.length - word * 8,
                        std::min(SIGN_BYTES, planes.sign.length - word * SIGN_BYTES)))
            return static_cast<int64_t>(word);
    return -1;
}

void check_codes(const Model& model, const Weight& weight, const Planes& planes) {
    int64_t word = -1;
    if (planes.low.width == 1) word = find_signed_zero<1>(planes);
    if (planes.low.width == 2) word = find_signed_zero<2>(planes);
    if (planes.low.width == 4) word = find_signed_zero<4>(planes);
    if (word < 0) return;
    int64_t first = word * 64 / planes.low.width;
    refuse_weight(model, weight,
                  "a zero among weights " + std::to_string(first) + " to " +
                      std::to_string(first + 64 / planes.low.width - 1) + " has a sign",
                  "zeros without one");
}

void check_padding(const Model& model, const Weight& weight, const Plane& plane, uint64_t elements, uint64_t previous) {
    for (uint64_t i = previous; i < plane.offset; ++i)
        if (weight.data[i] != 0) refuse_weight(model, weight, "bytes between its planes are set", "zeros");
    uint64_t used = elements * static_cast<uint64_t>(plane.width) % 8;
    if (used != 0 && plane.bytes[plane.length - 1] >> used != 0)
        refuse_weight(model, weight, "unused bits at the end of a plane are set", "zeros");
}

void check_order(const Model& model, const Weight& weight, int rank) {
    if (weight.order.empty()) return;
    std::array<bool, MAX_RANK> seen{};
    bool legal = static_cast<int>(weight.order.size()) == rank;
    for (size_t i = 0; legal && i < weight.order.size(); ++i) {
        int axis = weight.order[i];
        legal = axis >= 0 && axis < rank && !seen[static_cast<size_t>(axis)];
        if (legal) seen[static_cast<size_t>(axis)] = true;
    }
    if (!legal) refuse_weight(model, weight, "its order is no permutation of its axes", "each axis once");
}

void check_scales(const Model& model, const Weight& weight, int64_t channels) {
    const Shift& shift = weight.shift;
    auto one_or_each = [&](size_t count) { return count == 1 || static_cast<int64_t>(count) == channels; };
    if (!one_or_each(shift.base.size()))
        refuse_weight(model, weight, "it has " + std::to_string(shift.base.size()) + " bases",
                      "1 or " + std::to_string(channels));
    if (!shift.scale.empty() && !one_or_each(shift.scale.size()))
        refuse_weight(model, weight, "it has " + std::to_string(shift.scale.size()) + " scales",
                      "none, 1 or " + std::to_string(channels));
    for (size_t c = 0; c < shift.scale.size(); ++c)
        if (!std::isnormal(shift.scale[c]) || shift.scale[c] <= 0)
            refuse_weight(model, weight, "scale " + std::to_string(c) + " is " + std::to_string(shift.scale[c]),
                          "a positive normal number");
    size_t count = std::max(shift.base.size(), shift.scale.size());
    for (size_t c = 0; c < count; ++c) {
        float scale = shift.scale.empty() ? 1.0f : shift.scale[shift.scale.size() == 1 ? 0 : c];
        int base = shift.base[shift.base.size() == 1 ? 0 : c];
        if (!std::isfinite(scale * std::ldexp(1.0f, base)))
            refuse_weight(model, weight, "scale * 2^base of channel " + std::to_string(c) + " is infinite",
                          "a finite number");
    }
}

void check(const Model& model, const Weight& weight, const TensorType& type) {
    const Shift& shift = weight.shift;
    if (type.dtype != Dtype::float32)
        refuse_weight(model, weight, std::string("codec shift has dtype ") + name_of(type.dtype), "float32");
    if (type.shape.rank == 0) refuse_weight(model, weight, "codec shift has rank 0", "rank 1 to 6");
    if (shift.bits < 1 || shift.bits > MAX_BITS)
        refuse_weight(model, weight, "codec shift has " + std::to_string(shift.bits) + " bits", "1 to 6");
    if (shift.zero && shift.bits == 1) refuse_weight(model, weight, "1 bit cannot hold zeros", "2 bits or more");
    check_order(model, weight, type.shape.rank);
    check_scales(model, weight, stored_shape(weight, type.shape)[0]);

    uint64_t elements = static_cast<uint64_t>(type.shape.elements());
    Planes planes = lay_out(weight, elements);
    if (planes.length != weight.length)
        refuse_weight(model, weight, "it has " + std::to_string(weight.length) + " bytes",
                      std::to_string(planes.length) + " as shift of " + std::to_string(shift.bits) + " bits");
    uint64_t previous = 0;
    for (const Plane* plane : {&planes.sign, &planes.low, &planes.high})
        if (plane->width != 0) {
            check_padding(model, weight, *plane, elements, previous);
            previous = plane->offset + plane->length;
        }
    if (shift.zero) check_codes(model, weight, planes);
}

// SPREAD[b]: the bits of b, each in a byte of its own.
constexpr std::array<uint64_t, 256> make_spread() {
    std::array<uint64_t, 256> spread{};
    for (uint64_t byte = 0; byte < 256; ++byte)
        for (uint64_t bit = 0; bit < 8; ++bit) spread[byte] |= (byte >> bit & 1) << 8 * bit;
    return spread;
}

constexpr auto SPREAD = make_spread();

// The fields of 8 weights, each in a byte of its own.
template <int WIDTH> uint64_t eight(const uint8_t* plane, uint64_t group) {
    if (WIDTH == 0) return 0;
    if (WIDTH == 1) return SPREAD[plane[group]];
    uint64_t x = 0;
    std::memcpy(&x, plane + group * WIDTH, WIDTH);
    if (WIDTH == 2) {
        x = (x | x << 24) & 0x000000FF000000FF;
        x = (x | x << 12) & 0x000F000F000F000F;
        return (x | x << 6) & 0x0303030303030303;
    }
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    return (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
}

// Codes (level | sign << (bits-1)) of weights 8*group .. 8*(group+groups), one byte each.
template <int LOW, int HIGH> void unpack_groups(const Planes& planes, uint64_t group, uint64_t groups, uint8_t* codes) {
    for (uint64_t i = 0; i < groups; ++i, codes += 8) {
        uint64_t word = eight<LOW>(planes.low.bytes, group + i);
        word |= eight<HIGH>(planes.high.bytes, group + i) << LOW;
        word |= eight<1>(planes.sign.bytes, group + i) << (LOW + HIGH);
        std::memcpy(codes, &word, 8);
    }
}

// The last group of a plane may be cut short: its codes come from a copy that is padded with zeros.
void unpack_last(const Planes& planes, uint64_t group, uint8_t codes[8],
                 void (*unpack)(const Planes&, uint64_t, uint64_t, uint8_t*)) {
    uint8_t copies[3][8] = {};
    Planes last = planes;
    size_t i = 0;
    for (Plane* plane : {&last.sign, &last.low, &last.high}) {
        if (plane->width != 0) {
            uint64_t start = group * static_cast<uint64_t>(plane->width);
            std::memcpy(copies[i], plane->bytes + start, plane->length - start);
            plane->bytes = copies[i];
        }
        ++i;
    }
    unpack(last, 0, 1, codes);
}

// Weights are read in blocks of at most this many; a block's codes stay in the first-level cache.
constexpr uint64_t BLOCK = 4096;

class Reader {
public:
    Reader(const Weight& weight, uint64_t elements) : planes_(lay_out(weight, elements)), groups_(elements / 8) {
        switch (weight.shift.bits) {
            case 1:
                unpack_ = unpack_groups<0, 0>;
                break;
            case 2:
                unpack_ = unpack_groups<1, 0>;
                break;
            case 3:
                unpack_ = unpack_groups<2, 0>;
                break;
            case 4:
                unpack_ = unpack_groups<2, 1>;
                break;
            case 5:
                unpack_ = unpack_groups<4, 0>;
                break;
            default:
                unpack_ = unpack_groups<4, 1>;
                break;
        }
    }

    // Codes of weights first .. first+count, count <= BLOCK; valid until the next read.
    const uint8_t* read(uint64_t first, uint64_t count) {
        uint64_t group = first / 8, end = (first + count + 7) / 8;
        uint64_t whole = std::min(end, groups_);
        if (whole > group) unpack_(planes_, group, whole - group, codes_);
        if (end > groups_) unpack_last(planes_, groups_, codes_ + (groups_ - group) * 8, unpack_);
        return codes_ + first % 8;
    }

private:
    Planes planes_;
    uint64_t groups_;  // whole ones
    void (*unpack_)(const Planes&, uint64_t, uint64_t, uint8_t*);
    uint8_t codes_[BLOCK + 16];
};

using Table = std::array<float, 1 << MAX_BITS>;

// The value of every code of channel c.
void make_table(const Shift& shift, int64_t c, Table& table) {
    size_t channel = static_cast<size_t>(c);
    int levels = 1 << (shift.bits - 1);
    int base = shift.base[shift.base.size() == 1 ? 0 : channel];
    float scale = shift.scale.empty() ? 1.0f : shift.scale[shift.scale.size() == 1 ? 0 : channel];
    for (int level = 0; level < levels; ++level) {
        float value = scale * std::ldexp(1.0f, base - level);
        if (shift.zero && level == levels - 1) value = 0;
        table[static_cast<size_t>(level)] = value;
        table[static_cast<size_t>(level + levels)] = -value;
    }
}

// A stored axis of more than one element: how many, and how far apart in the value.
struct Axis {
    int64_t size, stride;
};

// Stored axes 1 and up; neighbours that lie in the value as they are stored are joined.
std::vector<Axis> axes_of(const Weight& weight, const Shape& stored, const std::array<int64_t, MAX_RANK>& strides) {
    std::vector<Axis> axes;
    for (int axis = 1; axis < stored.rank; ++axis) {
        int64_t stride = strides[weight.order.empty() ? static_cast<size_t>(axis)
                                                      : static_cast<size_t>(weight.order[static_cast<size_t>(axis)])];
        if (stored[axis] == 1) continue;
        if (!axes.empty() && axes.back().stride == stored[axis] * stride)
            axes.back() = {axes.back().size * stored[axis], stride};
        else axes.push_back({stored[axis], stride});
    }
    return axes;
}

// The stored tensor is [channels][rows][columns]: a row has one place in the value, its columns a constant stride.
void decode(const Weight& weight, const TensorType& type, int64_t begin, int64_t end, void* out) {
    std::array<int64_t, MAX_RANK> strides{};  // of the value
    int64_t step = 1;
    for (int axis = type.shape.rank - 1; axis >= 0; --axis) {
        strides[static_cast<size_t>(axis)] = step;
        step *= type.shape[axis];
    }
    Shape stored = stored_shape(weight, type.shape);
    int64_t channel_stride = strides[weight.order.empty() ? 0 : static_cast<size_t>(weight.order[0])];
    std::vector<Axis> axes = axes_of(weight, stored, strides);
    int64_t columns = 1, column_stride = 1, rows = 1;
    if (!axes.empty()) {
        columns = axes.back().size;
        column_stride = axes.back().stride;
        axes.pop_back();
    }
    for (const Axis& axis : axes) rows *= axis.size;

    // Where neighbouring channels are neighbours in the value, many of them share each cache line: they are decoded
    // together, a few columns at a time. Otherwise one channel after the other.
    int64_t channel_block = channel_stride == 1 ? 64 : 1;
    int64_t column_block = channel_block > 1 ? 64 : static_cast<int64_t>(BLOCK);
    const Shift& shift = weight.shift;
    bool one_table = shift.base.size() == 1 && shift.scale.size() <= 1;
    std::vector<Table> tables(one_table ? 1 : static_cast<size_t>(channel_block));
    if (one_table) make_table(shift, 0, tables[0]);
    Reader reader(weight, static_cast<uint64_t>(type.shape.elements()));
    float* values = static_cast<float*>(out);

    for (int64_t first = begin; first < end; first += channel_block) {
        int64_t last = std::min(first + channel_block, end);
        for (int64_t c = first; c < last && !one_table; ++c)
            make_table(shift, c, tables[static_cast<size_t>(c - first)]);
        for (int64_t row = 0; row < rows; ++row) {
            int64_t row_offset = 0, rest = row;
            for (size_t axis = axes.size(); axis-- > 0; rest /= axes[axis].size)
                row_offset += rest % axes[axis].size * axes[axis].stride;
            for (int64_t column = 0; column < columns; column += column_block) {
                int64_t count = std::min(column_block, columns - column);
                for (int64_t c = first; c < last; ++c) {
                    const float* table = tables[one_table ? 0 : static_cast<size_t>(c - first)].data();
                    const uint8_t* codes = reader.read(static_cast<uint64_t>((c * rows + row) * columns + column),
                                                       static_cast<uint64_t>(count));
                    float* place = values + (c - begin) * channel_stride + row_offset + column * column_stride;
                    if (column_stride == 1)
                        for (int64_t i = 0; i < count; ++i) place[i] = table[codes[i]];
                    else
                        for (int64_t i = 0; i < count; ++i) place[i * column_stride] = table[codes[i]];
                }
            }
        }
    }
}

}  // namespace

namespace {

// `bits` bits from bit `first` of `from` on, to the start of `to`.
void copy_bits(const uint8_t* from, uint64_t first, uint64_t bits, uint8_t* to) {
    const uint64_t bytes = (bits + 7) / 8, shift = first % 8;
    const uint8_t* source = from + first / 8;
    const uint64_t last = (shift + bits - 1) / 8;  // the last byte that holds any of them
    for (uint64_t i = 0; i < bytes; ++i) {
        const unsigned next = i + 1 <= last ? source[i + 1] : 0u;
        to[i] = static_cast<uint8_t>((source[i] | next << 8) >> shift);
    }
}

}  // namespace

int64_t code_rows_bytes(const Weight& weight, int64_t rows, int64_t k) {
    return k % 8 == 0 ? 0 : rows * ((k + 63) / 64) * 8 * weight.shift.bits;
}

CodeRows code_rows(const Model& model, const Weight& weight, int64_t rows, int64_t k) {
    const Planes planes = lay_out(weight, static_cast<uint64_t>(rows * k));
    const Shift& shift = weight.shift;
    CodeRows packed;
    packed.rows = {planes.sign.bytes,
                   planes.low.bytes,
                   planes.high.bytes,
                   0,
                   0,
                   0,
                   k,
                   shift.bits,
                   shift.zero,
                   shift.base.data(),
                   shift.base.size() > 1 ? 1 : 0,
                   shift.scale.empty() ? nullptr : shift.scale.data(),
                   shift.scale.size() > 1 ? 1 : 0};
    ShiftRows& out = packed.rows;
    if (k % 8 == 0) {
        out.sign_stride = k / 8;
        out.low_stride = k * planes.low.width / 8;
        out.high_stride = k * planes.high.width / 8;
        return packed;
    }
    const int64_t blocks = (k + 63) / 64;
    const uint64_t bytes = static_cast<uint64_t>(code_rows_bytes(weight, rows, k));
    std::shared_ptr<uint8_t> copy = allocate(bytes, model.path + ": weight");
    std::fill(copy.get(), copy.get() + bytes, uint8_t{0});
    uint8_t* to = copy.get();
    auto copy_plane = [&](const Plane& plane, const uint8_t** place, int64_t* stride) {
        if (plane.width == 0) return;
        const int64_t row_bits = k * plane.width;
        *place = to;
        *stride = blocks * 8 * plane.width;
        for (int64_t row = 0; row < rows; ++row, to += *stride)
            copy_bits(plane.bytes, static_cast<uint64_t>(row * row_bits), static_cast<uint64_t>(row_bits), to);
    };
    copy_plane(planes.sign, &out.sign, &out.sign_stride);
    copy_plane(planes.low, &out.low, &out.low_stride);
    copy_plane(planes.high, &out.high, &out.high_stride);
    packed.copy = std::move(copy);
    return packed;
}

const Codec SHIFT = {"shift", check, decode};

}  // namespace dsf
