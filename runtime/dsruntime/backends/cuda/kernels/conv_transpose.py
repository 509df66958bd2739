"""conv_transpose: a convolution over an image with stride - 1 zeros between its pixels, by the taps in reverse order.

Output p gets input i where i * stride = p + pad - tap * dilation; with tap' = kernel - 1 - tap that is a window that
starts at p - (dilation * (kernel - 1) - pad). The kernels of conv do it; their `up` is the stride.
"""

from __future__ import annotations

import math

from dsruntime.backends.cuda.kernels import conv
from dsruntime.backends.cuda.kernels.conv_args import SMS, Pointers, Problem
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.weights import Packed


def problem_of(
    *, n, h, w, c, outputs, out_h, out_w, kernel, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1
) -> Problem:
    before = tuple(d * (k - 1) - p for d, k, p in zip(dilations, kernel, pads[:2], strict=True))
    return Problem(
        n,
        h,
        w,
        c,
        outputs,
        out_h,
        out_w,
        tuple(kernel),
        pads=before,
        dilations=tuple(dilations),
        ups=tuple(strides),
        group=group,
    )


def launches(
    x: int,
    weight: Packed,
    bias: int,
    residual: int,
    y: int,
    scratch: int,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    overflow: int = 0,
    tag: int = 0,
    sms: int = SMS,
    **shape,
) -> list[Launch]:
    """conv.launches for ONNX's ConvTranspose; strides, pads and dilations as the operator has them."""
    return conv.run(weight, problem_of(**shape), Pointers(x, bias, residual, y, low, high, overflow, tag), scratch, sms)


def scratch_bytes(weight: Packed, *, sms: int = SMS, **shape) -> tuple[int, int]:
    return conv.scratch(weight, problem_of(**shape), sms)
