// Nearest or linear interpolation of the spatial axes of images, [N][C][W] or [N][C][H][W].
//
// Coordinates are computed in float32, as ONNX Runtime does: at a tie between two neighbours the rounding decides.
// align_corners divides by the whole length of the result less one, also where input * scale is no whole number.
#pragma once

#include <memory>
#include <vector>

#include "kernel.h"

namespace dsf {

enum class Interpolation : uint8_t { nearest, linear };
enum class Coordinates : uint8_t { half_pixel, align_corners, asymmetric, pytorch_half_pixel };
enum class Nearest : uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };

struct Resizing {
    Interpolation interpolation = Interpolation::nearest;
    Coordinates coordinates = Coordinates::half_pixel;
    Nearest nearest = Nearest::round_prefer_floor;  // of Interpolation::nearest
};

// scales: by axis, from x to y.
std::unique_ptr<Kernel> resize_kernel(const Shape& x, const Shape& y, const std::vector<float>& scales,
                                      Resizing resizing);

}  // namespace dsf
