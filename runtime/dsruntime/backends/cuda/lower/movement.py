"""What moves data: most of it is another view of the same buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dsruntime.backends.cuda.builder import Builder, device_dtype
from dsruntime.backends.cuda.kernels import copy as copies
from dsruntime.backends.cuda.kernels.resize import resize_linear
from dsruntime.backends.reference.ops.resize import NEAREST, coordinates
from dsruntime.errors import ModelError
from dsruntime.plan.fusion import Group
from dsruntime.plan.tensor import Tensor, channels_last


def reshape(builder: Builder, group: Group) -> None:
    """reshape, flatten, squeeze, unsqueeze, identity: the output's shape is known."""
    x = builder.value(group.operands[0])
    shape = builder.shapes[group.outputs[0]]
    builder.set(group.outputs[0], builder.reshaped(x, shape))


def transpose(builder: Builder, group: Group) -> None:
    builder.set(group.outputs[0], builder.value(group.operands[0]).transposed(group.node.attributes["perm"]))


def expand(builder: Builder, group: Group) -> None:
    builder.set(group.outputs[0], builder.value(group.operands[0]).broadcast(builder.shapes[group.outputs[0]]))


def slice_(builder: Builder, group: Group) -> None:
    x = builder.value(group.operands[0])
    a = group.node.attributes
    for start, end, axis, step in zip(a["starts"], a["ends"], a["axes"], a["steps"], strict=True):
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start = min(max(start + size if start < 0 else start, 0), high)
        end = min(max(end + size if end < 0 else end, low), high)
        x = x.sliced(axis % len(x.shape), start, len(range(start, end, step)), step)
    builder.set(group.outputs[0], x)


def split(builder: Builder, group: Group) -> None:
    x = builder.value(group.operands[0])
    axis = group.node.attributes.get("axis", 0) % len(x.shape)
    start = 0
    for output in group.outputs:
        count = builder.shapes[output][axis]
        builder.set(output, x.sliced(axis, start, count))
        start += count


def concat(builder: Builder, group: Group) -> None:
    """Each part is copied into its slice of the result."""
    parts = [builder.value(index) for index in group.operands]
    axis = group.node.attributes["axis"] % len(parts[0].shape)
    packed = next((part for part in parts if part.is_packed() and part.dtype == "float16"), None)
    y = builder.result(group.outputs[0], packed.order() if packed else None)
    start = 0
    for part in parts:
        builder.copy(part, y.sliced(axis, start, part.shape[axis]))
        start += part.shape[axis]


def cast(builder: Builder, group: Group) -> None:
    """float32 and float16 of the file are both halves here; other pairs are converted."""
    x, output = builder.value(group.operands[0]), group.outputs[0]
    if device_dtype(builder.graph.values[output].dtype) == x.dtype:
        builder.set(output, x)
        return
    y = builder.result(output, x.order() if x.is_packed() else None)
    builder.copy(x, y)


def constant_of_shape(builder: Builder, group: Group) -> None:
    value, a = builder.graph.values[group.outputs[0]], group.node.attributes
    array = np.full(builder.shapes[group.outputs[0]], a.get("value", 0.0)).astype(value.dtype)
    builder.set(group.outputs[0], builder.constant(array))


def gather(builder: Builder, group: Group) -> None:
    """Constant indices are a view (one) or a table (several); others are read on the GPU, and checked there."""
    data, indices = group.operands
    x, output = builder.value(data), group.outputs[0]
    axis = group.node.attributes.get("axis", 0) % len(x.shape)
    if builder.is_weight(indices):
        return gather_constant(builder, x, axis, builder.array(indices), output)
    index = builder.packed(builder.value(indices))
    y = builder.result(output, range(len(builder.shapes[output])))
    fault = builder.fault()
    builder.gathers = True
    if x.dtype != y.dtype:
        x = builder.packed(x, dtype=y.dtype)
    if y.count:
        builder.step(
            lambda at: copies.gather(x, at(x), axis, at(index), index.count, at(y), at(fault)), x, index, y, fault
        )


def gather_constant(builder: Builder, x: Tensor, axis: int, indices: np.ndarray, output: int) -> None:
    size = x.shape[axis]
    wrong = indices[(indices < -size) | (indices >= size)]
    if wrong.size:
        raise ModelError("gather", f"index {wrong[0]}", f"{-size} to {size - 1}", "export the model again")
    indices = np.where(indices < 0, indices + size, indices)
    shape = builder.shapes[output]
    if indices.size == 1:
        builder.set(output, builder.reshaped(x.sliced(axis, int(indices.reshape(-1)[0]), 1), shape))
        return
    flat = (*x.shape[:axis], indices.size, *x.shape[axis + 1 :])
    tables = [np.arange(n) for n in x.shape]
    tables[axis] = indices.reshape(-1)
    y = builder.new(flat, device_dtype(builder.graph.values[output].dtype))
    take(builder, x, tables, 0.0, y)
    builder.set(output, y.viewed(shape))


def take(builder: Builder, x: Tensor, tables: Sequence[np.ndarray], value: float, y: Tensor) -> None:
    if x.dtype != y.dtype:
        x = builder.packed(x, dtype=y.dtype)
    table = builder.constant(np.concatenate([np.zeros(0, np.int32), *tables]).astype(np.int32))
    if y.count:
        builder.step(lambda at: copies.take(x, at(x), at(table), value, y, at(y)), x, table, y)


def pad(builder: Builder, group: Group) -> None:
    x, a = builder.value(group.operands[0]), group.node.attributes
    y = builder.result(group.outputs[0], x.order() if x.is_packed() else None)
    rank = len(x.shape)
    before, after = a["pads"][:rank], a["pads"][rank:]
    tables = [
        padded_indices(n, b, e, a.get("mode", "constant")) for n, b, e in zip(x.shape, before, after, strict=True)
    ]
    take(builder, x, tables, a.get("value", 0.0), y)


def padded_indices(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which entry of an axis lands where; -1 for the constant.

    >>> padded_indices(3, 1, 2, "reflect").tolist(), padded_indices(3, -1, 1, "constant").tolist()
    ([1, 0, 1, 2, 1, 0], [1, 2, -1])
    """
    entries = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    widths = (max(before, 0), max(after, 0))
    if mode == "constant":
        return np.pad(entries, widths, constant_values=-1)
    return np.pad(entries, widths, mode="reflect" if mode == "reflect" else "edge")


def resize(builder: Builder, group: Group) -> None:
    x, a = builder.value(group.operands[0]), group.node.attributes
    shape, output = builder.shapes[group.outputs[0]], group.outputs[0]
    axes = [coordinates_of(x.shape[i], shape[i], i, a) for i in range(len(shape))]
    order = x.order() if x.is_packed() else None
    if a.get("mode", "nearest") == "nearest":
        rounded = NEAREST[a.get("nearest_mode", "round_prefer_floor")]
        tables = [
            np.arange(n) if at is None else np.clip(rounded(at), 0, n - 1).astype(np.int64)
            for at, n in zip(axes, x.shape, strict=True)
        ]
        take(builder, x, tables, 0.0, builder.result(output, order))
        return
    y = builder.result(output, channels_last(len(shape)))
    weights = [builder.constant(neighbours(at, n, m)) for at, n, m in zip(axes, x.shape, shape, strict=True)][2:]
    if len(shape) == 3:  # rows of one
        weights.insert(0, builder.constant(neighbours(None, 1, 1)))
    source, target = four_axes(x), four_axes(y)
    if y.count:
        builder.step(
            lambda at: resize_linear(source, at(source), at(weights[0]), at(weights[1]), target, at(target)),
            source,
            *weights,
            target,
        )


def coordinates_of(size: int, resized: int, axis: int, attributes: dict[str, Any]) -> np.ndarray | None:
    """Where the entries of a resized axis lie in the input; None for one that stays as it is."""
    scales = attributes.get("scales")
    scale = scales[axis] if scales else resized / size
    if resized == size and scale == 1:
        return None
    mode = attributes.get("coordinate_transformation_mode", "half_pixel")
    return coordinates(size, resized, np.float32(scale), mode).astype(np.float64)


def neighbours(at: np.ndarray | None, size: int, resized: int) -> np.ndarray:
    """int32: left, right, and the bits of the right one's share, float32, for each entry of the result."""
    at = np.arange(resized, dtype=np.float64) if at is None else np.clip(at, 0, size - 1)
    left = np.floor(at).astype(np.int32)
    right = np.minimum(left + 1, size - 1).astype(np.int32)
    return np.concatenate([left, right, (at - left).astype(np.float32).view(np.int32)])


def four_axes(t: Tensor) -> Tensor:
    """[N, C, W] as [N, C, 1, W]."""
    if len(t.shape) == 4:
        return t
    return replace(t, shape=(*t.shape[:2], 1, t.shape[2]), strides=(*t.strides[:2], 0, t.strides[2]))
