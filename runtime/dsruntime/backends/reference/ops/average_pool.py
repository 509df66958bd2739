"""average_pool: the mean of each window, ONNX's AveragePool.

The divisor counts the entries inside the input or, with count_include_pad, inside the input and its pads; what
ceil_mode adds beyond the pads is never counted.
"""

from typing import Any

import numpy as np

from dsruntime.backends.reference.windows import pad_spatial, pooled_sizes, seen_by_tap


def average_pool(
    x: np.ndarray,
    *,
    kernel_shape: list[int],
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> np.ndarray:
    rank = len(kernel_shape)
    strides = strides or [1] * rank
    dilations = dilations or [1] * rank
    declared = pads or [0] * 2 * rank
    sizes, pads = pooled_sizes(x.shape[2:], kernel_shape, strides, declared, dilations, ceil_mode)
    counted = np.ones((1, 1, *x.shape[2:]))
    if count_include_pad:
        counted = pad_spatial(counted, declared, 1)
        beyond = [pads[rank + i] - declared[rank + i] for i in range(rank)]
        counted = pad_spatial(counted, [0] * rank + beyond)
    else:
        counted = pad_spatial(counted, pads)
    x = pad_spatial(x, pads).astype(np.float64)
    taps = list(np.ndindex(*kernel_shape))
    total: Any = sum(seen_by_tap(x, tap, sizes, strides, dilations) for tap in taps)
    count = sum(seen_by_tap(counted, tap, sizes, strides, dilations) for tap in taps)
    return (total / count).astype(np.float32)
