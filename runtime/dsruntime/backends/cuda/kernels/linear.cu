// linear: y[row] = clip(scale * (W x[row]) + bias + residual); up to 32 rows of x a block, W from packed codes
//
// Wide: 64 outputs a block share each load of x. Narrow: 16, for layers with few outputs.
#include "skinny.h"

#define LINEAR(name, format)                                                             \
    KERNEL(linear_wide_8_##name, 256, ConvArgs s) { skinny<format, 4, 1, Rows<1>>(s); }  \
    KERNEL(linear_narrow_8_##name, 256, ConvArgs s) { skinny<format, 1, 1, Rows<1>>(s); } \
    KERNEL(linear_wide_32_##name, 256, ConvArgs s) { skinny<format, 4, 4, Rows<4>>(s); }
LINEAR(5, FORMAT_5)
LINEAR(5q, FORMAT_5Q)
LINEAR(4, FORMAT_4)
LINEAR(3, FORMAT_3)
LINEAR(2, FORMAT_2)
LINEAR(16, FORMAT_16)
