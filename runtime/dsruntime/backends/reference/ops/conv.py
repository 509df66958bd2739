"""conv: cross-correlation over 1 or 2 spatial dimensions, ONNX's Conv.

    y[n, o, p] = b[o] + sum over c, tap of w[o, c, tap] * x[n, group of o * C + c, p * stride + tap * dilation - pad]

Sums are made in float64, one tap of the kernel after another, and rounded once.
"""

import numpy as np

from dsruntime.backends.reference.windows import output_sizes, pad_spatial, seen_by_tap


def conv(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    group: int = 1,
) -> np.ndarray:
    outputs, channels, *kernel = w.shape
    strides = strides or [1] * len(kernel)
    dilations = dilations or [1] * len(kernel)
    x = pad_spatial(x, pads or [0] * 2 * len(kernel)).astype(np.float64)
    sizes = output_sizes(x.shape[2:], kernel, strides, dilations)
    w = w.reshape(group, outputs // group, channels, *kernel).astype(np.float64)
    y = np.zeros((len(x), group, outputs // group, int(np.prod(sizes))))
    for tap in np.ndindex(*kernel):
        seen = seen_by_tap(x, tap, sizes, strides, dilations)
        y += w[(..., *tap)] @ seen.reshape(len(x), group, channels, -1)
    y = y.reshape(len(x), outputs, *sizes)
    if b is not None:
        y += b.reshape(-1, *[1] * len(kernel))
    return y.astype(np.float32)
