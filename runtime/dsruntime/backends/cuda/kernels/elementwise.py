"""elementwise: y = f(x), y = clip(f(a, b)) with NumPy broadcasting, and batch norm's y = x * scale[c] + shift[c]

Operands are Tensors beside their addresses; y is dense in some order. Everything is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from dsruntime.backends.cuda.kernels.window import THREADS, dtype, merged, per_element, window
from dsruntime.backends.cuda.launch import Launch, pointer
from dsruntime.plan.tensor import Tensor

UNARY = (
    "identity",
    "abs",
    "neg",
    "clip",
    "leaky_relu",
    "elu",
    "sigmoid",
    "tanh",
    "erf",
    "exp",
    "log",
    "sqrt",
    "reciprocal",
    "gelu",
    "gelu_tanh",
    "hard_sigmoid",
    "hard_swish",
    "silu",
    "floor",
)
BINARY = ("add", "sub", "mul", "div", "pow", "prelu")
Placed = tuple[Tensor, int]  # and its address
BLOCK = (THREADS, 1, 1)


def unary(name: str, x: Tensor, x_at: int, y: Tensor, y_at: int, p: float = 0.0, q: float = 0.0) -> list[Launch]:
    """p, q: the operator's parameters (alpha, beta; the ends of clip)."""
    head = (np.int32(UNARY.index(name)), np.float32(p), np.float32(q))
    if by_eights((x, x_at), (y, y_at)):
        n = y.count // 8
        dense = (*head, pointer(x_at), pointer(y_at), np.int32(n))
        return [Launch("elementwise", "unary_dense", per_element(n), BLOCK, dense)]
    shape, xs, ys = merged(*ordered(y, x, y))
    args = (
        *head,
        dtype(x.dtype),
        pointer(x_at),
        window(shape, xs),
        dtype(y.dtype),
        pointer(y_at),
        window(shape, ys),
        np.uint32(y.count),
    )
    return [Launch("elementwise", "unary_strided", per_element(y.count), BLOCK, args)]


def binary(
    name: str, a: Tensor, a_at: int, b: Tensor, b_at: int, y: Tensor, y_at: int, low: float = -inf, high: float = inf
) -> list[Launch]:
    """a and b are broadcast to y's shape by the caller."""
    head = (np.int32(BINARY.index(name)), np.float32(low), np.float32(high))
    if by_eights((a, a_at), (b, b_at), (y, y_at)):
        n = y.count // 8
        dense = (*head, pointer(a_at), pointer(b_at), pointer(y_at), np.int32(n))
        return [Launch("elementwise", "binary_dense", per_element(n), BLOCK, dense)]
    shape, sa, sb, sy = merged(*ordered(y, a, b, y))
    rows = by_rows(shape, sa, sb, sy, (a, a_at), (b, b_at), (y, y_at))
    if rows:
        n, (pitch, share, groups) = y.count // 8, rows
        gate = (
            *head,
            pointer(a_at),
            dtype(b.dtype),
            pointer(b_at),
            np.int32(pitch),
            np.int32(share),
            pointer(y_at),
            np.int32(groups),
            np.int32(n),
        )
        return [Launch("elementwise", "binary_rows", per_element(n), BLOCK, gate)]
    args = (
        *head,
        dtype(a.dtype),
        pointer(a_at),
        window(shape, sa),
        dtype(b.dtype),
        pointer(b_at),
        window(shape, sb),
        dtype(y.dtype),
        pointer(y_at),
        window(shape, sy),
        np.uint32(y.count),
    )
    return [Launch("elementwise", "binary_strided", per_element(y.count), BLOCK, args)]


def scale_shift(
    x_at: int, scale_at: int, shift_at: int, y_at: int, count: int, channels: int, low: float = -inf, high: float = inf
) -> list[Launch]:
    """x, y: count halves, the channel fastest; scale, shift: float32 [channels]."""
    by_8 = channels % 8 == 0 and x_at % 16 == 0 and y_at % 16 == 0
    n = count // 8 if by_8 else count
    args = (
        pointer(x_at),
        pointer(scale_at),
        pointer(shift_at),
        np.float32(low),
        np.float32(high),
        pointer(y_at),
        np.int32(channels),
        np.uint32(n),
    )
    return [Launch("elementwise", "scale_shift_by_8" if by_8 else "scale_shift", per_element(n), BLOCK, args)]


def by_eights(*operands: Placed) -> bool:
    """Whether all are halves, packed alike, aligned, and a multiple of eight."""
    first = operands[-1][0]
    return first.count % 8 == 0 and all(
        t.dtype == "float16" and at % 16 == 0 and t.strides == first.strides and t.is_packed() for t, at in operands
    )


def by_rows(
    shape: Sequence[int], sa: Sequence[int], sb: Sequence[int], sy: Sequence[int], a: Placed, b: Placed, y: Placed
) -> tuple[int, int, int] | None:
    """(pitch of b, rows of a for each of b, eights a row) if a and y are dense halves and b repeats by whole rows."""
    if a[0].dtype != "float16" or y[0].dtype != "float16" or any(at % 16 for _, at in (a, b, y)):
        return None
    if len(shape) == 2:
        shape, sa, sb, sy = (1, *shape), (0, *sa), (0, *sb), (0, *sy)
    if len(shape) != 3 or shape[2] % 8 or b[0].dtype not in ("float16", "float32"):
        return None
    images, share, channels = shape
    whole = ((share * channels if images > 1 else 0), channels, 1)
    same = all(
        (step if n > 1 else 0) == (want if n > 1 else 0)
        for s in (sa, sy)
        for n, step, want in zip(shape, s, whole, strict=True)
    )
    return (sb[0], share, channels // 8) if same and sb[1:] == (0, 1) and sb[0] % 8 == 0 else None


def ordered(guide: Tensor, *tensors: Tensor) -> tuple[tuple[int, ...], ...]:
    """(shape, strides of each), the axes sorted so that guide is walked in the order of its memory."""
    order = guide.order()
    return tuple(guide.shape[a] for a in order), *(tuple(t.strides[a] for a in order) for t in tensors)
