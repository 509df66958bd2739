// activation.h for vectors.
#pragma once

#include "activation.h"
#include "math.inl"

namespace dsf {
namespace {

DSF_INLINE Vec activate(Vec x, const Activation& activation) {
    switch (activation.kind) {
        case Activation::clip:
            return clamp(x, splat(activation.low), splat(activation.high));
        case Activation::silu:
            return silu_of(x);
        case Activation::hard_swish:
            return hard_swish_of(x);
        case Activation::none:
            break;
    }
    return x;
}

}  // namespace
}  // namespace dsf
