"""window: what kernels know of a strided tensor; the structures of window.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from dsruntime.backends.cuda.launch import blocks
from dsruntime.caps import MAX_RANK

TYPES = {"float16": 0, "float32": 1, "int32": 2, "int64": 3, "uint8": 4, "int8": 5, "bool": 6}
THREADS = 256


class Window(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int32), ("shape", ctypes.c_int32 * MAX_RANK), ("strides", ctypes.c_int32 * MAX_RANK)]


def window(shape: Sequence[int], strides: Sequence[int]) -> Window:
    rest = [0] * (MAX_RANK - len(shape))
    return Window(len(shape), (ctypes.c_int32 * MAX_RANK)(*shape, *rest), (ctypes.c_int32 * MAX_RANK)(*strides, *rest))


def merged(shape: Sequence[int], *strides: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The same walk with as few axes as possible: axes of one entry go, neighbours that run on in every operand join.

    >>> merged((2, 3, 4), (12, 4, 1), (0, 4, 1))
    ((2, 12), (12, 1), (0, 1))
    """
    axes: list[tuple[int, list[int]]] = []
    for n, *steps in zip(shape, *strides, strict=True):
        if n == 1:
            continue
        if axes and all(a == n * b for a, b in zip(axes[-1][1], steps, strict=True)):
            axes[-1] = (axes[-1][0] * n, steps)
        else:
            axes.append((n, steps))
    return tuple(n for n, _ in axes), *(tuple(steps[i] for _, steps in axes) for i in range(len(strides)))


def dtype(name: str) -> np.int32:
    return np.int32(TYPES[name])


def per_element(count: int) -> tuple[int, int, int]:
    """The grid of a kernel with a thread for each of count elements."""
    return blocks(count, THREADS), 1, 1
