// panel_bf16 for AVX-512 with BF16: at most 24 sums, 4 vectors of b and 1 broadcast of 32 registers.
#if defined(__x86_64__)
#include <immintrin.h>
#define PANEL_MULTIPLY(sum, x, column) \
    ((Vec)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(__m512)(x), (__m512bh)(__m512)(column)))
#define PANEL_NAME panel_bf16_as_f32
#define PANEL_LABEL "panel_bf16_avx512bf16"
#define PANEL_TILES                                                                                                \
    {panel_tile<1, 1>, panel_tile<2, 1>, panel_tile<3, 1>, panel_tile<4, 1>,                                       \
     panel_tile<5, 1>, panel_tile<6, 1>, panel_tile<7, 1>, panel_tile<8, 1>},                                      \
        {panel_tile<1, 2>, panel_tile<2, 2>, panel_tile<3, 2>, panel_tile<4, 2>,                                   \
         panel_tile<5, 2>, panel_tile<6, 2>, panel_tile<7, 2>, panel_tile<8, 2>},                                  \
        {panel_tile<1, 3>, panel_tile<2, 3>, panel_tile<3, 3>, panel_tile<4, 3>,                                   \
         panel_tile<5, 3>, panel_tile<6, 3>, panel_tile<7, 3>, panel_tile<8, 3>},                                  \
    {                                                                                                              \
        panel_tile<1, 4>, panel_tile<2, 4>, panel_tile<3, 4>, panel_tile<4, 4>, panel_tile<5, 4>, panel_tile<6, 4> \
    }
#define PANEL_MOST_ROWS {0, 8, 8, 8, 6}
#include "panel_f32.inl"

#include "panel_bf16.h"

namespace dsf {
namespace {

void round_to_bf16(const float* from, int64_t count, float* to) {
    for (; count >= 32; count -= 32, from += 32, to += 16)
        store(to, (Vec)(__m512)_mm512_cvtne2ps_pbh((__m512)load(from + 16), (__m512)load(from)));
    if (count <= 0) return;
    const int low = (int)(count < 16 ? count : 16), high = (int)count - low;
    const Vec first = load_some(from, low), second = high ? load_some(from + 16, high) : Vec{};
    store_some(to, (Vec)(__m512)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first), (int)(count + 1) / 2);
}

}  // namespace

extern const PanelBf16 panel_bf16_avx512bf16;
const PanelBf16 panel_bf16_avx512bf16 = {
    {PANEL_LABEL, WIDTH, sizeof PANEL_FUNCTIONS / sizeof *PANEL_FUNCTIONS, PANEL_MOST_ROWS, panel}, round_to_bf16};

}  // namespace dsf
#endif
