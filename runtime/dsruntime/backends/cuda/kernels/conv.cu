// conv: convolution for few pixels; the warps of a block share out k
//
// Channels of a group that are no multiple of 8 (a first layer) come through conv_gather; such weights are halves.
#include "skinny.h"

#define CONV(name, format) \
    KERNEL(conv_windows_##name, 256, ConvArgs s) { skinny<format, 4, 4, Windows<4>>(s); }
CONV(5, FORMAT_5)
CONV(5q, FORMAT_5Q)
CONV(4, FORMAT_4)
CONV(3, FORMAT_3)
CONV(2, FORMAT_2)
CONV(16, FORMAT_16)

KERNEL(conv_gather_16, 256, ConvArgs s) {
    skinny<FORMAT_16, 4, 4, Gather<4>>(s);
}
