"""max_pool: the largest entry of each window, ONNX's MaxPool; padding never wins, NaN does."""

import numpy as np

from dsruntime.backends.reference.windows import pad_spatial, pooled_sizes, seen_by_tap


def max_pool(
    x: np.ndarray,
    *,
    kernel_shape: list[int],
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    ceil_mode: int = 0,
) -> np.ndarray:
    rank = len(kernel_shape)
    strides = strides or [1] * rank
    dilations = dilations or [1] * rank
    sizes, pads = pooled_sizes(x.shape[2:], kernel_shape, strides, pads or [0] * 2 * rank, dilations, ceil_mode)
    x = pad_spatial(x, pads, -np.inf)
    taps = [seen_by_tap(x, tap, sizes, strides, dilations) for tap in np.ndindex(*kernel_shape)]
    return np.maximum.reduce(taps)
