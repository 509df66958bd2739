// panel_f32 for any CPU: vectors of four, which are SSE2 on x86-64: at most 8 sums of 16 registers.
#define PANEL_NAME panel_f32_scalar
#define PANEL_LABEL "panel_f32_scalar"
#define PANEL_TILES                                                            \
    {panel_tile<1, 1>, panel_tile<2, 1>, panel_tile<3, 1>, panel_tile<4, 1>,   \
     panel_tile<5, 1>, panel_tile<6, 1>, panel_tile<7, 1>, panel_tile<8, 1>},  \
    {                                                                          \
        panel_tile<1, 2>, panel_tile<2, 2>, panel_tile<3, 2>, panel_tile<4, 2> \
    }
#define PANEL_MOST_ROWS {0, 8, 4}
#include "panel_f32.inl"
