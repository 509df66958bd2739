// panel_f32 for aarch64: at most 24 sums, 4 vectors of b and 1 broadcast of 32 registers.
#if defined(__aarch64__)
#define PANEL_NAME panel_f32_neon
#define PANEL_LABEL "panel_f32_neon"
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
#endif
