"""conv_transpose: a convolution over an image with stride - 1 zeros between its pixels, by the taps in reverse order.

Output p gets input i where i * stride = p + pad - tap * dilation; with tap' = kernel - 1 - tap that is a window that
starts at p - (dilation * (kernel - 1) - pad). The kernels of conv do it; their `up` is the stride.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dsruntime.backends.cuda.kernels import conv
from dsruntime.backends.cuda.kernels.conv_args import SMS, Pointers, Problem, pair
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.weights import Packed


def problem_of(
    *,
    n: int,
    h: int,
    w: int,
    c: int,
    outputs: int,
    out_h: int,
    out_w: int,
    kernel: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
) -> Problem:
    before = [d * (k - 1) - p for d, k, p in zip(dilations, kernel, pads[:2], strict=True)]
    return Problem(
        n,
        h,
        w,
        c,
        outputs,
        out_h,
        out_w,
        pair(kernel),
        pads=pair(before),
        dilations=pair(dilations),
        ups=pair(strides),
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
    **shape: Any,
) -> list[Launch]:
    """conv.launches for ONNX's ConvTranspose; strides, pads and dilations as the operator has them."""
    return conv.run(weight, problem_of(**shape), Pointers(x, bias, residual, y, low, high, overflow, tag), scratch, sms)


def scratch_bytes(weight: Packed, *, sms: int = SMS, **shape: Any) -> tuple[int, int]:
    return conv.scratch(weight, problem_of(**shape), sms)
