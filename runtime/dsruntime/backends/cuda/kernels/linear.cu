// linear: y[row] = clip(scale * (W x[row]) + bias + residual) for up to 8 rows of x, W from packed codes
//
// Wide: 64 outputs a block share each load of x. Narrow: 16, for layers with few outputs.
#include "skinny.h"

#define LINEAR(name, format)                                                             \
    KERNEL(linear_wide_##name, 256, ConvArgs s) { skinny<format, 4, 1, Rows<1>>(s); }    \
    KERNEL(linear_narrow_##name, 256, ConvArgs s) { skinny<format, 1, 1, Rows<1>>(s); }
LINEAR(5, FORMAT_5)
LINEAR(5q, FORMAT_5Q)
LINEAR(4, FORMAT_4)
LINEAR(3, FORMAT_3)
LINEAR(2, FORMAT_2)
LINEAR(16, FORMAT_16)
