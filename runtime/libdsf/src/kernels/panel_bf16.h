// panel_bf16: panel_f32 with two bfloat16 numbers, neighbours in k, where that has a float: rows, b and k count pairs.
//
// Products are exact and sums float32 (vdpbf16ps, which takes subnormal numbers for 0). A power of two is exact in
// bfloat16; its scale is multiplied at the end.
#pragma once

#include "panel_f32.h"

namespace dsf {

struct PanelBf16 {
    PanelF32 panel;
    // Rounds count floats to nearest, ties to even; an odd count is filled up with 0. to: [(count + 1) / 2] pairs.
    void (*round)(const float* from, int64_t count, float* to);
};

extern const PanelBf16 panel_bf16_avx512bf16;

}  // namespace dsf
