"""Dimensions that follow the batch size N: in a shape "N", "12*N"; in plain numbers -1, -12, as the file has them.

A dimension is found by two specialisations: the graph with N = 7 and with N = 11, numbers that no layer is likely to
divide or to contain. Equal in both: a constant. 7k and 11k: k * N. Anything else depends on N in a way that the file
cannot say. So does what these two cannot tell from a constant or a multiple, N modulo 4 or the larger of N and 5: the
OTHERS refute it.
"""

from __future__ import annotations

import re

import onnx_ir as ir

BATCHES = (7, 11)
OTHERS = (1, 2, 3, 8, 64, 1000)
SYMBOL = re.compile(r"(?:(\d+)\*)?N")


def merge(dimensions: tuple[int, int]) -> int | None:
    """The dimension as the file has it, or None."""
    first, second = dimensions
    if first == second:
        return first
    multiple, rest = divmod(first, BATCHES[0])
    return -multiple if rest == 0 and multiple * BATCHES[1] == second else None


def to_shape(dimensions: tuple[int, ...]) -> ir.Shape:
    return ir.Shape([d if d >= 0 else ("N" if d == -1 else f"{-d}*N") for d in dimensions])


def dimensions(value: ir.Value) -> tuple[int, ...]:
    """The shape of a value, after infer_shapes: d, or -k for k * N."""
    return tuple(dimension(d) for d in value.shape)  # type: ignore[union-attr]


def dimension(d: int | ir.SymbolicDim) -> int:
    if isinstance(d, int):
        return d
    multiple = SYMBOL.fullmatch(str(d.value).replace(" ", ""))
    if multiple is None:
        raise ValueError(f"the dimension {d.value!r} is no multiple of N")
    return -int(multiple[1] or 1)
