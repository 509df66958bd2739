"""Operators that move data and compute nothing: any dtype. Shapes come from the result, -k meaning k * N."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dscompress.compile.lower.source import DTYPES, Lowered, Source, Unsupported, compact, positive, shape_of
from dscompress.passes import batch

TO_THE_END = 2**63 - 1


def to_shape(op: str) -> Callable[[Source], Lowered]:
    """reshape and expand: the target is the result's shape, whatever computed it."""
    return lambda source: Lowered(op, [source.data()], {"shape": list(source.output_shape())})


def identity(source: Source) -> Lowered:
    return Lowered("identity", [source.data()])


def dropout(source: Source) -> Lowered:
    raise Unsupported("it is in training mode or its mask is used", "export the model after model.eval()")


def flatten(source: Source) -> Lowered:
    if source.integer("axis", 1) == len(source.shape()):
        return to_shape("reshape")(source)
    axis = source.axis(1)
    return Lowered("flatten", [source.data()], compact(axis=(axis, 1)))


def transpose(source: Source) -> Lowered:
    rank = len(source.shape())
    return Lowered("transpose", [source.data()], {"perm": source.integers("perm", list(range(rank))[::-1])})


def squeeze(source: Source) -> Lowered:
    shape = source.shape()
    axes = source.parameter(1, "axes") or [axis for axis, d in enumerate(shape) if d == 1]
    if not axes:
        return identity(source)
    return Lowered("squeeze", [source.data()], {"axes": sorted(positive(axis, len(shape)) for axis in axes)})


def unsqueeze(source: Source) -> Lowered:
    rank = len(source.output_shape())
    axes = source.parameter(1, "axes") or []
    return Lowered("unsqueeze", [source.data()], {"axes": sorted(positive(axis, rank) for axis in axes)})


def concat(source: Source) -> Lowered:
    axis = positive(source.integer("axis", 1), len(source.output_shape()))
    filled = [value for value in source.node.inputs if value is not None and 0 not in shape_of(value)]
    if len(filled) == 1:
        return Lowered("identity", list(filled))
    return Lowered("concat", list(filled), {"axis": axis})


def split(source: Source) -> Lowered:
    axis = source.axis(0)
    sizes = [source.output_shape(i)[axis] for i in range(len(source.node.outputs))]
    if min(sizes) < 0:
        raise Unsupported("it splits the batch", "split another dimension")
    return Lowered("split", [source.data()], {**compact(axis=(axis, 0)), "split": sizes}, outputs=len(sizes))


def gather(source: Source) -> Lowered:
    return Lowered("gather", [source.data(), source.data(1)], compact(axis=(source.axis(0), 0)))


def slice_(source: Source) -> Lowered:
    shape = source.shape()
    starts, ends = bounds(source, 1, "starts"), bounds(source, 2, "ends")
    axes = [positive(axis, len(shape)) for axis in source.parameter(3, "axes") or range(len(starts))]
    steps = source.parameter(4, "steps") or [1] * len(axes)
    parts = [
        resolve(shape[axis], start, end, step) for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    ]
    attributes = {
        "starts": [start for start, _ in parts],
        "ends": [end for _, end in parts],
        "axes": axes,
        "steps": [int(step) for step in steps],
    }
    return Lowered("slice", [source.data()], attributes)


def bounds(source: Source, index: int, name: str) -> list[tuple[int, int]]:
    """Starts or ends, each for both batch sizes of the specialisations."""
    value = source.input(index)
    if value is not None and "per_batch" in value.meta:
        return [(int(a), int(b)) for a, b in zip(*value.meta["per_batch"], strict=True)]
    return [(int(a), int(a)) for a in source.parameter(index, name)]


def resolve(length: int, start: tuple[int, int], end: tuple[int, int], step: int) -> tuple[int, int]:
    """One start and one end that mean the same for every N. A slice to the end of a batch-sized dimension is one."""
    lengths = [length if length >= 0 else -length * size for size in batch.BATCHES]
    if length >= 0 and start[0] == start[1] and end[0] == end[1]:
        first, last, _ = slice(start[0], end[0], step).indices(length)
        return (first, last) if step > 0 else (start[0], end[0])
    starts = {start[0]} if start[0] == start[1] else set(start)
    ends = {end[0]} if end[0] == end[1] else {TO_THE_END if e >= n else e for e, n in zip(end, lengths, strict=True)}
    if len(starts) > 1 or len(ends) > 1 or (step < 0 and length < 0):
        raise Unsupported(
            "it cuts the batch at a place that depends on the batch size",
            "slice another dimension, or export with a fixed batch size: --no-dynamic-batch",
        )
    return starts.pop(), ends.pop()


def pad(source: Source) -> Lowered:
    rank = len(source.shape())
    mode = source.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        raise Unsupported(f"mode={mode!r} is not supported", 'use "constant", "reflect" or "edge"')
    given = source.parameter(1, "pads") or source.parameter(1, "paddings") or []
    axes = [positive(axis, rank) for axis in source.parameter(3, "axes") or range(rank)]
    pads = [0] * 2 * rank
    for place, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = int(given[place]), int(given[place + len(axes)])
    if min(pads) < 0:
        raise Unsupported(f"pads={pads} holds a negative number", "cut with a slice instead")
    value = float((source.parameter(2, "value") or [0.0])[0]) if mode == "constant" else 0.0
    return Lowered("pad", [source.data()], {"pads": pads, **compact(mode=(mode, "constant"), value=(value, 0.0))})


def constant_of_shape(source: Source) -> Lowered:
    attribute = source.node.attributes.get("value")
    array = np.zeros(1, np.float32) if attribute is None else attribute.as_tensor().numpy()
    dtype = {np.dtype(name): name for name in DTYPES.values()}.get(array.dtype)
    if dtype is None:
        raise Unsupported(f"its value is {array.dtype}", "use float32")
    value = float(array.reshape(-1)[0])
    attributes = compact(dtype=(dtype, "float32"), value=(value, 0.0))
    return Lowered("constant_of_shape", [], {"shape": list(source.output_shape()), **attributes})
