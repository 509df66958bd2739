"""copy: what moves data: to another layout or type, by tables of indices (pad, nearest resize), by computed indices"""

from __future__ import annotations

import ctypes

import numpy as np

from dsruntime.backends.cuda.kernels.elementwise import ordered
from dsruntime.backends.cuda.kernels.window import THREADS, dtype, merged, per_element, window
from dsruntime.backends.cuda.launch import Launch, blocks, pointer
from dsruntime.caps import MAX_RANK
from dsruntime.plan.tensor import Tensor

BLOCK = (THREADS, 1, 1)
MOST_BLOCKS = 65535  # along y and z


def copy(x: Tensor, x_at: int, y: Tensor, y_at: int) -> list[Launch]:
    """y = x, both of one shape, converted if the types differ; x may be broadcast, sliced or transposed."""
    transposed = tiles(x, y)
    if transposed:
        batch, rows, columns = transposed
        grid = (blocks(columns, 32), blocks(rows, 32), batch)
        sizes = (dtype(x.dtype), pointer(x_at), dtype(y.dtype), pointer(y_at), np.int32(rows), np.int32(columns))
        return [Launch("copy", "copy_transposed", grid, BLOCK, sizes)]
    shape, xs, ys = merged(*ordered(y, x, y))
    args = (
        dtype(x.dtype),
        pointer(x_at),
        window(shape, xs),
        dtype(y.dtype),
        pointer(y_at),
        window(shape, ys),
        np.uint32(y.count),
    )
    return [Launch("copy", "copy_strided", per_element(y.count), BLOCK, args)]


def tiles(x: Tensor, y: Tensor) -> tuple[int, int, int] | None:
    """(batch, rows, columns) if y is x with its last two axes, merged, swapped; both sides worth whole lines."""
    if not (x.dtype.startswith("float") and y.dtype.startswith("float")):
        return None
    shape, xs, ys = merged(x.shape, x.strides, y.strides)
    if len(shape) == 2:
        shape, xs, ys = (1, *shape), (0, *xs), (0, *ys)
    if len(shape) != 3 or min(shape[1:]) < 16 or shape[0] > MOST_BLOCKS or max(shape[1:]) > 32 * MOST_BLOCKS:
        return None
    batch, rows, columns = shape
    dense, swapped = (columns, 1), (1, rows)
    whole = batch == 1 or (xs[0] == ys[0] == rows * columns)
    return (
        (batch, rows, columns)
        if whole and xs[1:] == dense and ys[1:] == swapped
        else (batch, columns, rows)
        if whole and xs[1:] == swapped and ys[1:] == dense
        else None
    )


class Strides(ctypes.Structure):
    _fields_ = [("of", ctypes.c_int32 * MAX_RANK)]


def take(x: Tensor, x_at: int, tables_at: int, value: float, y: Tensor, y_at: int) -> list[Launch]:
    """y[i0, i1, ...] = x[t0[i0], t1[i1], ...], or value where an index is below 0; tables: int32, axis after axis."""
    strides = Strides((ctypes.c_int32 * MAX_RANK)(*x.strides, *[0] * (MAX_RANK - len(x.strides))))
    args = (
        dtype(x.dtype),
        pointer(x_at),
        strides,
        pointer(tables_at),
        np.float32(value),
        pointer(y_at),
        window(y.shape, y.strides),
        np.uint32(y.count),
    )
    return [Launch("copy", "take", per_element(y.count), BLOCK, args)]


def gather(x: Tensor, x_at: int, axis: int, indices_at: int, count: int, y_at: int, fault_at: int) -> list[Launch]:
    """y, dense: x with `axis` replaced by count gathered entries. fault: int64 {1, index} if one is out of range."""
    outer = window(*merged(x.shape[:axis], x.strides[:axis]))
    inner = window(*merged(x.shape[axis + 1 :], x.strides[axis + 1 :]))
    n = x.count // x.shape[axis] * count
    args = (
        dtype(x.dtype),
        pointer(x_at),
        outer,
        inner,
        np.int32(x.strides[axis]),
        np.int32(x.shape[axis]),
        pointer(indices_at),
        np.int32(count),
        pointer(y_at),
        pointer(fault_at),
        np.uint32(n),
    )
    return [Launch("copy", "gather", per_element(n), BLOCK, args)]


def pixels(x: Tensor, x_at: int, scale_at: int, shift_at: int, y_at: int) -> list[Launch]:
    """x: uint8, its shape [N, C, H, W] whatever its strides; y: halves, NHWC; scale, shift: float32 [C]."""
    n, c, h, w = x.shape
    nhwc = window(*merged((n, h, w, c), tuple(x.strides[a] for a in (0, 2, 3, 1))))
    args = (pointer(x_at), nhwc, pointer(scale_at), pointer(shift_at), pointer(y_at), np.int32(c), np.uint32(x.count))
    return [Launch("copy", "pixels", per_element(x.count), BLOCK, args)]
