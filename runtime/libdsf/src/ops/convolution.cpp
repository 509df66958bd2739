// What conv and conv_transpose share.
#include "convolution.h"

#include <numeric>

#include "base/caps.h"
#include "base/round.h"

namespace dsf {

void check_image(const Inference& node, const Convolution& c) {
    const int64_t most = MAX_TENSOR_BYTES / static_cast<int64_t>(sizeof(float));
    const int64_t stride = std::min(c.x.stride, c.x.image());
    const int64_t phases = std::min(c.x.kernel, stride / std::gcd(c.x.dilation, stride));
    const int64_t row = divide_up(c.x.image(), stride) * phases;
    if (row > most || c.y.image() > most / row || c.y.image() * row > most / (c.groups * c.channels))
        node.refuse("the padded input has " + std::to_string(c.y.image()) + " by " + std::to_string(c.x.image()) +
                        " pixels in " + std::to_string(c.groups * c.channels) + " channels",
                    "at most " + std::to_string(MAX_TENSOR_BYTES) + " bytes");
}

}  // namespace dsf
