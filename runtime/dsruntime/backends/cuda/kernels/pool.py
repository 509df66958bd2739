"""pool: max_pool and average_pool over NHWC halves; the reference says what an average counts"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from dsruntime.backends.cuda.kernels.window import THREADS, per_element
from dsruntime.backends.cuda.launch import Launch, pointer

FIELDS = (
    "h",
    "w",
    "channels",
    "out_h",
    "out_w",
    "kernel_h",
    "kernel_w",
    "stride_h",
    "stride_w",
    "pad_top",
    "pad_left",
    "dilation_h",
    "dilation_w",
    "counted_low_h",
    "counted_high_h",
    "counted_low_w",
    "counted_high_w",
)


class Pool(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in FIELDS]


def pool(
    op: str,
    x: int,
    y: int,
    *,
    n: int,
    h: int,
    w: int,
    channels: int,
    out_h: int,
    out_w: int,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    count_include_pad: bool = False,
) -> list[Launch]:
    """op: max_pool or average_pool; x, y: addresses of [n][h][w][channels] and [n][out_h][out_w][channels] halves.

    kernel, strides, dilations: (height, width); pads: (top, left, bottom, right), as declared, without ceil_mode's.
    """
    top, left, bottom, right = pads
    counted = (-top, h + bottom, -left, w + right) if count_include_pad else (0, h, 0, w)
    size = Pool(h, w, channels, out_h, out_w, *kernel, *strides, top, left, *dilations, *counted)
    by_8 = channels % 8 == 0 and x % 16 == 0 and y % 16 == 0
    count = n * out_h * out_w * channels // (8 if by_8 else 1)
    args = (pointer(x), pointer(y), size, np.uint32(count))
    return [Launch("pool", f"{op}_by_8" if by_8 else op, per_element(count), (THREADS, 1, 1), args)]
