"""top_k: top_k and arg_max: a block for each row, k rounds over it"""

from __future__ import annotations

from math import prod

import numpy as np

from dsruntime.backends.cuda.kernels.reduce import picked
from dsruntime.backends.cuda.kernels.window import dtype, merged, window
from dsruntime.backends.cuda.launch import Launch, pointer
from dsruntime.plan.tensor import Tensor


def first_k(
    x: Tensor,
    x_at: int,
    axis: int,
    k: int,
    y: Tensor,
    values_at: int,
    indices_at: int,
    *,
    largest: bool = True,
    last: bool = False,
) -> list[Launch]:
    """The first k entries along an axis: the largest, or the smallest; among equals the lower index first, or the last.

    y: how both outputs lie; values_at may be 0. values have x's type, indices are int64.
    """
    others = [a for a in range(len(x.shape)) if a != axis]
    shape, xs, ys = merged(*picked(x, others), picked(y, others)[1])
    n = x.shape[axis]
    args = (
        dtype(x.dtype),
        pointer(x_at),
        window(shape, xs),
        np.int32(x.strides[axis]),
        np.int32(n),
        np.int32(k),
        np.int32(1 if largest else -1),
        np.int32(last),
        pointer(values_at),
        pointer(indices_at),
        window(shape, ys),
        np.int32(y.strides[axis]),
    )
    return [Launch("top_k", "first_k", (prod(shape), 1, 1), (128 if n > 64 else 32, 1, 1), args)]
