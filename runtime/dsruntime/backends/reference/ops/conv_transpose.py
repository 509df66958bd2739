"""conv_transpose: the gradient of conv with respect to its input, ONNX's ConvTranspose; w is [I, O / group, *kernel].

Every input adds w times itself to the outputs at p * stride + tap * dilation; pads are then cut off. Sums in float64.
"""

import numpy as np

from dsruntime.backends.reference.windows import seen_by_tap


def conv_transpose(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: list[int] | None = None,
    pads: list[int] | None = None,
    dilations: list[int] | None = None,
    group: int = 1,
    output_padding: list[int] | None = None,
) -> np.ndarray:
    inputs, channels, *kernel = w.shape
    strides = strides or [1] * len(kernel)
    dilations = dilations or [1] * len(kernel)
    pads = pads or [0] * 2 * len(kernel)
    extra = output_padding or [0] * len(kernel)
    sizes = x.shape[2:]
    each = zip(sizes, strides, kernel, dilations, extra, strict=True)
    full = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in each]
    y = np.zeros((len(x), group * channels, *full))
    x = x.reshape(len(x), group, inputs // group, -1).astype(np.float64)
    w = w.reshape(group, inputs // group, channels, *kernel).astype(np.float64)
    for tap in np.ndindex(*kernel):
        part = np.swapaxes(w[(..., *tap)], -1, -2) @ x
        seen_by_tap(y, tap, sizes, strides, dilations)[...] += part.reshape(len(x), group * channels, *sizes)
    rank = len(kernel)
    kept = tuple(slice(pads[i], full[i] - pads[rank + i]) for i in range(rank))
    y = y[(slice(None), slice(None), *kept)]
    if b is not None:
        y = y + b.reshape(-1, *[1] * rank)
    return y.astype(np.float32)
