// panel_f32 for AVX2 with FMA: at most 12 sums, 3 vectors of b and 1 broadcast: 16 registers.
#if defined(__x86_64__)
#define PANEL_NAME panel_f32_avx2
#define PANEL_LABEL "panel_f32_avx2"
#define PANEL_TILES                                                                                                   \
    {panel_tile<1, 1>, panel_tile<2, 1>, panel_tile<3, 1>, panel_tile<4, 1>,                                          \
     panel_tile<5, 1>, panel_tile<6, 1>, panel_tile<7, 1>, panel_tile<8, 1>},                                         \
        {panel_tile<1, 2>, panel_tile<2, 2>, panel_tile<3, 2>, panel_tile<4, 2>, panel_tile<5, 2>, panel_tile<6, 2>}, \
    {                                                                                                                 \
        panel_tile<1, 3>, panel_tile<2, 3>, panel_tile<3, 3>, panel_tile<4, 3>                                        \
    }
#define PANEL_MOST_ROWS {0, 8, 6, 4}
#include "panel_f32.inl"
#endif
