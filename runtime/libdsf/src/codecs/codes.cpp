// Codes to floats, and to rows that begin at whole bytes.
#include "codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/memory.h"

namespace dsf {
namespace {

// SPREAD[b]: the bits of b, each in a byte of its own.
constexpr std::array<uint64_t, 256> make_spread() {
    std::array<uint64_t, 256> spread{};
    for (uint64_t byte = 0; byte < 256; ++byte)
        for (uint64_t bit = 0; bit < 8; ++bit) spread[byte] |= (byte >> bit & 1) << 8 * bit;
    return spread;
}

constexpr auto SPREAD = make_spread();

// The fields of 8 weights, each in a byte of its own.
template <int WIDTH> uint64_t eight(const uint8_t* plane, uint64_t index) {
    if (WIDTH == 0) return 0;
    if (WIDTH == 1) return SPREAD[plane[index]];
    uint64_t x = 0;
    std::memcpy(&x, plane + index * WIDTH, WIDTH);
    if (WIDTH == 2) {
        x = (x | x << 24) & 0x000000FF000000FF;
        x = (x | x << 12) & 0x000F000F000F000F;
        return (x | x << 6) & 0x0303030303030303;
    }
    x = (x | x << 16) & 0x0000FFFF0000FFFF;
    x = (x | x << 8) & 0x00FF00FF00FF00FF;
    return (x | x << 4) & 0x0F0F0F0F0F0F0F0F;
}

// Where the planes of some codes begin.
struct Planes {
    const uint8_t *sign, *low, *high;
};

// Writes the codes (level | sign << (bits-1)) of weights 8 * first .. 8 * (first + count), one byte each.
template <int BITS> void unpack_eights(const Planes& planes, uint64_t first, uint64_t count, uint8_t* codes) {
    constexpr int LOW = LOW_WIDTH[BITS], HIGH = HIGH_WIDTH[BITS];
    for (uint64_t i = 0; i < count; ++i, codes += 8) {
        uint64_t word = eight<LOW>(planes.low, first + i);
        word |= eight<HIGH>(planes.high, first + i) << LOW;
        word |= eight<1>(planes.sign, first + i) << (LOW + HIGH);
        std::memcpy(codes, &word, 8);
    }
}

using Unpack = void (*)(const Planes&, uint64_t, uint64_t, uint8_t*);
constexpr Unpack UNPACK[MAX_BITS + 1] = {nullptr,          unpack_eights<1>, unpack_eights<2>, unpack_eights<3>,
                                         unpack_eights<4>, unpack_eights<5>, unpack_eights<6>};

// Weights are read in blocks of at most this many; a block's codes stay in the first-level cache.
constexpr uint64_t BLOCK = 4096;

class Reader {
public:
    Reader(const Codes& codes, uint64_t elements)
        : layout_(codes.planes),
          planes_{codes.at(layout_.sign), codes.at(layout_.low), codes.at(layout_.high)},
          eights_(elements / 8),
          unpack_(UNPACK[codes.bits]) {}

    // Codes of weights first .. first + count; count <= BLOCK; valid until the next read.
    const uint8_t* read(uint64_t first, uint64_t count) {
        uint64_t begin = first / 8, end = (first + count + 7) / 8;
        uint64_t whole = std::min(end, eights_);
        if (whole > begin) unpack_(planes_, begin, whole - begin, codes_);
        if (end > eights_) read_last(codes_ + (eights_ - begin) * 8);
        return codes_ + first % 8;
    }

private:
    // The last eight weights of a plane may be cut short: their codes come from a copy that is padded with zeros.
    void read_last(uint8_t codes[8]) const {
        uint8_t sign[8] = {}, low[8] = {}, high[8] = {};
        auto copy = [&](const Plane& plane, const uint8_t* from, uint8_t* to) {
            const uint64_t start = eights_ * static_cast<uint64_t>(plane.width);
            if (plane.width != 0) std::memcpy(to, from + start, plane.length - start);
        };
        copy(layout_.sign, planes_.sign, sign);
        copy(layout_.low, planes_.low, low);
        copy(layout_.high, planes_.high, high);
        unpack_({sign, low, high}, 0, 1, codes);
    }

    PlaneLayout layout_;
    Planes planes_;
    uint64_t eights_;  // whole ones
    Unpack unpack_;
    uint8_t codes_[BLOCK + 16];
};

using Table = std::array<float, 1 << MAX_BITS>;

// The value of every code of a channel.
void make_table(const Codes& codes, int64_t channel, Table& table) {
    const int levels = 1 << (codes.bits - 1), base = codes.base_of(channel);
    const float scale = codes.scale_of(channel);
    for (int level = 0; level < levels; ++level) {
        float value = scale * std::ldexp(1.0f, base - level);
        if (codes.zero && level == levels - 1) value = 0;
        table[static_cast<size_t>(level)] = value;
        table[static_cast<size_t>(level + levels)] = -value;
    }
}

// A stored axis of more than one element: how many, and how far apart in the value.
struct Axis {
    int64_t size, stride;
};

// The axis of the value that is stored axis `axis`.
size_t axis_of(const std::vector<int>& order, int axis) {
    return order.empty() ? static_cast<size_t>(axis) : static_cast<size_t>(order[static_cast<size_t>(axis)]);
}

// Stored axes 1 and up; neighbours that lie in the value as they are stored are joined.
std::vector<Axis> axes_of(const Shape& stored, const std::vector<int>& order,
                          const std::array<int64_t, MAX_RANK>& strides) {
    std::vector<Axis> axes;
    for (int axis = 1; axis < stored.rank; ++axis) {
        int64_t stride = strides[axis_of(order, axis)];
        if (stored[axis] == 1) continue;
        if (!axes.empty() && axes.back().stride == stored[axis] * stride)
            axes.back() = {axes.back().size * stored[axis], stride};
        else axes.push_back({stored[axis], stride});
    }
    return axes;
}

}  // namespace

Shape stored_shape(const Shape& shape, const std::vector<int>& order) {
    Shape stored = shape;
    for (int axis = 0; axis < shape.rank; ++axis) stored[axis] = shape.dims[axis_of(order, axis)];
    return stored;
}

// The stored tensor is [channels][rows][columns]: a row has one place in the value, its columns a constant stride.
void decode_codes(const Codes& codes, const Shape& shape, const std::vector<int>& order, int64_t begin, int64_t end,
                  float* values) {
    std::array<int64_t, MAX_RANK> strides{};  // of the value
    int64_t step = 1;
    for (int axis = shape.rank - 1; axis >= 0; --axis) {
        strides[static_cast<size_t>(axis)] = step;
        step *= shape[axis];
    }
    int64_t channel_stride = strides[axis_of(order, 0)];
    std::vector<Axis> axes = axes_of(stored_shape(shape, order), order, strides);
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
    bool one_table = codes.base.size() == 1 && codes.scale.size() <= 1;
    std::vector<Table> tables(one_table ? 1 : static_cast<size_t>(channel_block));
    if (one_table) make_table(codes, 0, tables[0]);
    Reader reader(codes, static_cast<uint64_t>(shape.elements()));

    for (int64_t first = begin; first < end; first += channel_block) {
        int64_t last = std::min(first + channel_block, end);
        for (int64_t c = first; c < last && !one_table; ++c)
            make_table(codes, c, tables[static_cast<size_t>(c - first)]);
        for (int64_t row = 0; row < rows; ++row) {
            int64_t row_offset = 0, rest = row;
            for (size_t axis = axes.size(); axis-- > 0; rest /= axes[axis].size)
                row_offset += rest % axes[axis].size * axes[axis].stride;
            for (int64_t column = 0; column < columns; column += column_block) {
                int64_t count = std::min(column_block, columns - column);
                for (int64_t c = first; c < last; ++c) {
                    const float* table = tables[one_table ? 0 : static_cast<size_t>(c - first)].data();
                    const uint8_t* read = reader.read(static_cast<uint64_t>((c * rows + row) * columns + column),
                                                      static_cast<uint64_t>(count));
                    float* place = values + (c - begin) * channel_stride + row_offset + column * column_stride;
                    if (column_stride == 1)
                        for (int64_t i = 0; i < count; ++i) place[i] = table[read[i]];
                    else
                        for (int64_t i = 0; i < count; ++i) place[i * column_stride] = table[read[i]];
                }
            }
        }
    }
}

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

int64_t code_rows_bytes(const Codes& codes, int64_t rows, int64_t k) {
    return k % 8 == 0 ? 0 : rows * ((k + 63) / 64) * 8 * codes.bits;
}

CodeRows code_rows(const Codes& codes, const std::string& where, int64_t rows, int64_t k) {
    const PlaneLayout& planes = codes.planes;
    CodeRows packed;
    packed.rows = {codes.at(planes.sign),
                   codes.at(planes.low),
                   codes.at(planes.high),
                   0,
                   0,
                   0,
                   k,
                   codes.bits,
                   codes.zero,
                   codes.base.data(),
                   codes.base.size() > 1 ? 1 : 0,
                   codes.scale.empty() ? nullptr : codes.scale.data(),
                   codes.scale.size() > 1 ? 1 : 0};
    ShiftRows& out = packed.rows;
    if (k % 8 == 0) {
        out.sign_stride = k / 8;
        out.low_stride = k * planes.low.width / 8;
        out.high_stride = k * planes.high.width / 8;
        return packed;
    }
    const int64_t blocks = (k + 63) / 64;
    const uint64_t bytes = static_cast<uint64_t>(code_rows_bytes(codes, rows, k));
    std::shared_ptr<uint8_t> copy = allocate(bytes, where);
    std::fill(copy.get(), copy.get() + bytes, uint8_t{0});
    uint8_t* to = copy.get();
    auto copy_plane = [&](const Plane& plane, const uint8_t** place, int64_t* stride) {
        if (plane.width == 0) return;
        const int64_t row_bits = k * plane.width;
        *place = to;
        *stride = blocks * 8 * plane.width;
        for (int64_t row = 0; row < rows; ++row, to += *stride)
            copy_bits(codes.at(plane), static_cast<uint64_t>(row * row_bits), static_cast<uint64_t>(row_bits), to);
    };
    copy_plane(planes.sign, &out.sign, &out.sign_stride);
    copy_plane(planes.low, &out.low, &out.low_stride);
    copy_plane(planes.high, &out.high, &out.high_stride);
    packed.copy = std::move(copy);
    return packed;
}

}  // namespace dsf
