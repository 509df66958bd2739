"""resize: linear resampling; the tables of neighbours come from the reference backend's own coordinates"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from dsruntime.backends.cuda.kernels.copy import Strides
from dsruntime.backends.cuda.kernels.window import THREADS, dtype, per_element
from dsruntime.backends.cuda.launch import Launch, pointer
from dsruntime.caps import MAX_RANK
from dsruntime.plan.tensor import Tensor


class Neighbours(ctypes.Structure):
    _fields_ = [("left", ctypes.c_uint64), ("right", ctypes.c_uint64), ("share", ctypes.c_uint64)]


class Axes(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int32), ("shape", ctypes.c_int32 * MAX_RANK)]


def resize_linear(x: Tensor, x_at: int, rows_at: int, columns_at: int, y: Tensor, y_at: int) -> list[Launch]:
    """x, y: rank 4. rows_at, columns_at: left int32, right int32, share float32, each of the size of y's axis."""
    args = (
        dtype(x.dtype),
        pointer(x_at),
        Strides(fill(x.strides)),
        neighbours(rows_at, y.shape[2]),
        neighbours(columns_at, y.shape[3]),
        dtype(y.dtype),
        pointer(y_at),
        Axes(4, fill(y.shape)),
        Strides(fill(y.strides)),
        np.uint32(y.count),
    )
    return [Launch("resize", "resize_linear", per_element(y.count), (THREADS, 1, 1), args)]


def neighbours(at: int, size: int) -> Neighbours:
    return Neighbours(at, at + 4 * size, at + 8 * size)


def fill(values: Sequence[int]) -> ctypes.Array[ctypes.c_int32]:
    return (ctypes.c_int32 * MAX_RANK)(*values, *[0] * (MAX_RANK - len(values)))
