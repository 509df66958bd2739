// depthwise_f32 for all instruction sets. Before including: DEPTHWISE_NAME, DEPTHWISE_LABEL.
#include "depthwise_f32.h"
#include "vector.inl"

namespace dsf {
namespace {

template <int V> DSF_INLINE void block(const DepthwiseRow& d, int64_t x, int64_t count) {
    Vec sum[V];
    for (int j = 0; j < V; ++j) sum[j] = Vec{};
    for (int64_t t = 0; t < d.taps; ++t) {
        const Vec weight = splat(d.weight[t]);
        const float* from = d.row + d.offsets[t] + x;
        for (int j = 0; j < V; ++j) sum[j] += weight * load(from + j * WIDTH);
    }
    float edge[V * WIDTH];
    const bool whole = count >= V * WIDTH;
    if (!whole && d.residual) {
        memset(edge, 0, sizeof edge);
        memcpy(edge, d.residual + x, (size_t)count * sizeof(float));
    }
    const float* residual = !d.residual ? nullptr : whole ? d.residual + x : edge;
    float* to = whole ? d.y + x : edge;
    const Vec low = splat(d.low), high = splat(d.high);
    for (int j = 0; j < V; ++j) {
        Vec y = sum[j] + splat(d.bias);
        if (residual) y += load(residual + j * WIDTH);
        if (d.clip) y = clamp(y, low, high);
        store(to + j * WIDTH, y);
    }
    if (!whole) memcpy(d.y + x, edge, (size_t)count * sizeof(float));
}

void row(const DepthwiseRow& d) {
    int64_t x = 0;
    for (; d.width - x >= 4 * WIDTH; x += 4 * WIDTH) block<4>(d, x, 4 * WIDTH);
    for (; d.width - x >= 2 * WIDTH; x += 2 * WIDTH) block<2>(d, x, 2 * WIDTH);
    for (; x < d.width; x += WIDTH) block<1>(d, x, d.width - x);
}

}  // namespace

extern const DepthwiseF32 DEPTHWISE_NAME;
const DepthwiseF32 DEPTHWISE_NAME = {DEPTHWISE_LABEL, row};

static_assert(DEPTHWISE_SLACK >= 4 * WIDTH, "blocks read this far");

}  // namespace dsf
