"""mat_mul: the product of two activations, any strides, up to four batch dimensions."""

from __future__ import annotations

import ctypes
import math

from dsruntime.backends.cuda.launch import Launch, blocks
from dsruntime.errors import BackendError

BATCH_DIMENSIONS, TILE, MOST_BLOCKS = 4, 64, 65535


class Operand(ctypes.Structure):
    _fields_ = [
        ("at", ctypes.c_uint64),
        ("batch", ctypes.c_int64 * BATCH_DIMENSIONS),
        ("row", ctypes.c_int64),
        ("k", ctypes.c_int64),
        ("rows", ctypes.c_int32),
        ("along", ctypes.c_int32),
    ]


class MatMul(ctypes.Structure):
    _fields_ = [
        ("a", Operand),
        ("b", Operand),
        ("y", ctypes.c_uint64),
        ("overflow", ctypes.c_uint64),
        ("tag", ctypes.c_uint32),
        ("batches", ctypes.c_int32),
        ("sizes", ctypes.c_int32 * BATCH_DIMENSIONS),
        ("k", ctypes.c_int32),
        ("alpha", ctypes.c_float),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
    ]


def launches(
    a: int,
    b: int,
    y: int,
    *,
    batch: tuple[int, ...] = (),
    m: int,
    n: int,
    k: int,
    a_strides: tuple[int, ...],
    b_strides: tuple[int, ...],
    alpha: float = 1.0,
    low: float = -math.inf,
    high: float = math.inf,
    overflow: int = 0,
    tag: int = 0,
) -> list[Launch]:
    """y = clip(alpha * a @ b, low, high), dense [batch...][m][n] halves.

    a_strides: of the batch dimensions, m and k; b_strides: of the batch dimensions, k and n; in elements, 0 where
    broadcast. a and b are addresses of halves.
    """
    *a_batch, a_row, a_k = a_strides
    *b_batch, b_k, b_row = b_strides
    batches = math.prod(batch)
    if batches * m * n == 0:
        return []
    sizes = (1,) * (BATCH_DIMENSIONS - len(batch)) + tuple(batch)
    left, right = operand(a, a_batch, a_row, a_k, m, k), operand(b, b_batch, b_row, b_k, n, k)
    args = MatMul(left, right, y, overflow, tag, batches, sizes, k, alpha, low, high)
    grid = (blocks(n, TILE), blocks(m, TILE), min(batches, MOST_BLOCKS))
    if grid[1] > MOST_BLOCKS:
        raise BackendError("cuda", f"a product of {m} rows", f"at most {TILE * MOST_BLOCKS}", "use backend cpu")
    return [Launch("mat_mul", "mat_mul", grid, (128, 1, 1), (args,))]


def operand(at: int, batch: list[int], row: int, k: int, rows: int, depth: int) -> Operand:
    strides = (0,) * (BATCH_DIMENSIONS - len(batch)) + tuple(batch)
    return Operand(at, strides, row, k, rows, along(at, strides, row, k, rows, depth))


def along(at: int, batch: tuple[int, ...], row: int, k: int, rows: int, depth: int) -> int:
    """1 or 2 where every 16-byte load along k or along the rows is whole and aligned."""
    if at % 16 or any(stride % 8 for stride in batch):
        return 0
    if k == 1 and row % 8 == 0 and depth % 8 == 0:
        return 1
    return 2 if row == 1 and k % 8 == 0 and rows % 8 == 0 else 0
