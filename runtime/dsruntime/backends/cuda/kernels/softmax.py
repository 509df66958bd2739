"""softmax: softmax, log_softmax and layer_normalization: a block of 32 to 256 threads for each row"""

from __future__ import annotations

from math import prod

import numpy as np

from dsruntime.backends.cuda.kernels.reduce import picked
from dsruntime.backends.cuda.kernels.window import dtype, merged, window
from dsruntime.backends.cuda.launch import Launch, pointer
from dsruntime.plan.tensor import Tensor


def softmax(logarithm: bool, x: Tensor, x_at: int, axis: int, y: Tensor, y_at: int) -> list[Launch]:
    """Along one axis of x; y has x's shape and any strides."""
    others = [a for a in range(len(x.shape)) if a != axis]
    shape, xs, ys = merged(*picked(x, others), picked(y, others)[1])
    n = x.shape[axis]
    if by_eights(x, x_at, y, y_at, n) and axis == len(x.shape) - 1:
        dense = (np.int32(logarithm), pointer(x_at), pointer(y_at), np.int32(n // 8))
        return [Launch("softmax", "softmax_by_8", (prod(shape), 1, 1), (threads(n // 8), 1, 1), dense)]
    args = (
        np.int32(logarithm),
        dtype(x.dtype),
        pointer(x_at),
        window(shape, xs),
        np.int32(x.strides[axis]),
        dtype(y.dtype),
        pointer(y_at),
        window(shape, ys),
        np.int32(y.strides[axis]),
        np.int32(n),
    )
    return [Launch("softmax", "softmax", (prod(shape), 1, 1), (threads(n), 1, 1), args)]


def layer_norm(
    x: Tensor, x_at: int, axis: int, scale_at: int, bias_at: int, epsilon: float, y: Tensor, y_at: int
) -> list[Launch]:
    """Over the axes of x from `axis` on; y dense in row order; scale, bias: float32 of that size, bias_at may be 0."""
    rank = len(x.shape)
    rows, inner = merged(*picked(x, range(axis))), merged(*picked(x, range(axis, rank)))
    n = prod(inner[0])
    if by_eights(x, x_at, y, y_at, n):
        dense = (
            pointer(x_at),
            pointer(scale_at),
            pointer(bias_at),
            np.float32(epsilon),
            pointer(y_at),
            np.int32(n // 8),
        )
        return [Launch("softmax", "layer_norm_by_8", (prod(rows[0]), 1, 1), (threads(n // 8), 1, 1), dense)]
    args = (
        dtype(x.dtype),
        pointer(x_at),
        window(*rows),
        window(*inner),
        pointer(scale_at),
        pointer(bias_at),
        np.float32(epsilon),
        dtype(y.dtype),
        pointer(y_at),
        np.int32(n),
    )
    return [Launch("softmax", "layer_norm", (prod(rows[0]), 1, 1), (threads(n), 1, 1), args)]


def by_eights(x: Tensor, x_at: int, y: Tensor, y_at: int, n: int) -> bool:
    """Whether rows of n are halves side by side in x and in y."""
    return n % 8 == 0 and all(
        t.dtype == "float16" and t.is_dense() and at % 16 == 0 for t, at in ((x, x_at), (y, y_at))
    )


def threads(n: int) -> int:
    """Whole warps, of which a short row needs fewer."""
    return min(256, max(32, (n + 127) // 128 * 32))
