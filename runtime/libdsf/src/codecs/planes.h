// The planes of packed codes: bits of the same kind of many weights, side by side.
//
//   sign   1 bit a weight, 1 is negative
//   low    the lower bits of the level, LOW_WIDTH of them
//   high   the bits above those, HIGH_WIDTH
//
// A code of b bits is a sign and a level of b - 1 bits: LOW_WIDTH[b] + HIGH_WIDTH[b] == b - 1. In a plane of p bits, weight
// i sits at bit (i * p) % 8 of byte (i * p) / 8. Kernels for one instruction set include this file, too: nothing in it is
// linked.
#pragma once

#include <stdint.h>

namespace dsf {

constexpr int MAX_BITS = 6;  // of a code, sign included
constexpr int LOW_WIDTH[MAX_BITS + 1] = {0, 0, 1, 2, 2, 4, 4};
constexpr int HIGH_WIDTH[MAX_BITS + 1] = {0, 0, 0, 0, 1, 0, 1};

struct Plane {
    int width;                // bits a weight; 0: there is no such plane
    uint64_t offset, length;  // bytes
};

struct PlaneLayout {
    Plane sign, low, high;
    uint64_t length;  // bytes of all
};

// Where the planes of `elements` codes lie: one after the other, each at the next multiple of 64 bytes.
static constexpr PlaneLayout lay_out_planes(int bits, uint64_t elements) {
    PlaneLayout layout = {{1, 0, 0}, {LOW_WIDTH[bits], 0, 0}, {HIGH_WIDTH[bits], 0, 0}, 0};
    Plane* const planes[] = {&layout.sign, &layout.low, &layout.high};
    for (Plane* plane : planes) {
        if (plane->width == 0) continue;
        plane->offset = (layout.length + 63) / 64 * 64;
        plane->length = (elements * (uint64_t)plane->width + 7) / 8;
        layout.length = plane->offset + plane->length;
    }
    return layout;
}

}  // namespace dsf
