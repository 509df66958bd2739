// What conv and conv_transpose share.
#pragma once

#include "op.h"
#include "operators/convolution.h"

namespace dsf {

// Refuses sizes that would make the image, with its padding and zeros, larger than a tensor may be.
void check_image(const Inference& node, const Convolution& convolution);

}  // namespace dsf
