// pool_f32 for all instruction sets. Before including: POOL_NAME, POOL_LABEL.
#include "pool_f32.h"
#include "vector.inl"

namespace dsf {
namespace {

template <bool MAX, bool WHOLE> DSF_INLINE void pool_vector(const PoolPixel& pixel, int64_t channel, int count) {
    Vec y = splat(MAX ? -__builtin_inff() : 0.0f);
    for (int64_t i = 0; i < pixel.rows; ++i)
        for (int64_t j = 0; j < pixel.columns; ++j) {
            const float* from = pixel.from + i * pixel.row_stride + j * pixel.column_stride + channel;
            const Vec x = WHOLE ? load(from) : load_some(from, count);
            y = MAX ? select((x > y) | (x != x), x, y) : y + x;
        }
    if (!MAX) y = y / splat(pixel.divisor);
    if (WHOLE) store(pixel.y + channel, y);
    else store_some(pixel.y + channel, y, count);
}

template <bool MAX> void pool(const PoolPixel& pixel) {
    int64_t channel = 0;
    for (; channel + WIDTH <= pixel.channels; channel += WIDTH) pool_vector<MAX, true>(pixel, channel, WIDTH);
    if (channel < pixel.channels) pool_vector<MAX, false>(pixel, channel, (int)(pixel.channels - channel));
}

}  // namespace

extern const PoolF32 POOL_NAME;
const PoolF32 POOL_NAME = {POOL_LABEL, pool<true>, pool<false>};

}  // namespace dsf
