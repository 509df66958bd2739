"""reduce: sum, mean or max over some axes; the global pools are reductions over the spatial axes"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from dsruntime.backends.cuda.kernels.window import dtype, merged, window
from dsruntime.backends.cuda.launch import Launch, blocks, pointer
from dsruntime.plan.tensor import Tensor


def reduce(op: str, x: Tensor, x_at: int, axes: Iterable[int], y: Tensor, y_at: int) -> list[Launch]:
    """op: sum, mean or max; y: dense in the order in which x's other axes stand."""
    axes = {axis % len(x.shape) for axis in axes}
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    outputs = merged(*picked(x, kept))
    reduced = merged(*picked(x, [axis for axis in x.order() if axis in axes]))
    total, count = prod(outputs[0]), prod(reduced[0])
    factor = np.float32(1 / count if op == "mean" else 1)
    head = (np.int32(op == "max"), factor, dtype(x.dtype), pointer(x_at), window(*outputs))
    tail = (dtype(y.dtype), pointer(y_at))
    side_by_side = not reduced[1] or reduced[1][-1] == 1 or total < 32
    if side_by_side:
        threads = 256 if count > 512 else 32
        rows = (*head, window(*reduced), np.uint32(count), *tail)
        return [Launch("reduce", "reduce_rows", (total, 1, 1), (threads, 1, 1), rows)]
    args = (*head, np.uint32(total), window(*reduced), np.uint32(count), *tail)
    return [Launch("reduce", "reduce_columns", (blocks(total, 32), 1, 1), (256, 1, 1), args)]


def picked(x: Tensor, axes: Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(x.shape[axis] for axis in axes), tuple(x.strides[axis] for axis in axes)
