// What convolutions may do to their sums last, before they store them.
#pragma once

namespace dsf {

struct Activation {
    enum Kind { none, clip, silu, hard_swish };  // silu: x * sigmoid(x)
    Kind kind = none;
    float low = 0, high = 0;  // clip: min(max(x, low), high); NaN stays NaN
};

}  // namespace dsf
