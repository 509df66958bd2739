// max_pool and average_pool: windows over the last one or two axes.
#pragma once

#include <algorithm>
#include <memory>

#include "kernel.h"

namespace dsf {

enum class Pooling : uint8_t { max, average };

enum class Padding : uint8_t { left_out, counted };  // whether the mean of a window counts it

// One spatial axis.
struct Window {
    int64_t input = 1, output = 1, size = 1, stride = 1, dilation = 1, before = 0, after = 0;

    int64_t extent() const { return (size - 1) * dilation + 1; }
    int64_t start(int64_t o) const { return o * stride - before; }
    // The taps [first, last) that fall on the input.
    int64_t first(int64_t o) const { return start(o) >= 0 ? 0 : (-start(o) + dilation - 1) / dilation; }
    int64_t last(int64_t o) const {
        const int64_t room = input - start(o);
        return room <= 0 ? 0 : std::min(size, (room + dilation - 1) / dilation);
    }
    // Taps on the input or its padding: a window that ceil_mode lets hang over has fewer.
    int64_t padded_taps(int64_t o) const {
        return std::min(size, (input + after - start(o) + dilation - 1) / dilation);
    }
};

struct Windows {
    Window y, x;
};

std::unique_ptr<Kernel> pool_kernel(const Windows& windows, Pooling pooling, Padding padding, int threads);
// Makes the kernel for images whose channels are stored last.
std::unique_ptr<Kernel> pool_last_kernel(const Windows& windows, Pooling pooling, Padding padding);

}  // namespace dsf
