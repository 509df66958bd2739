"""What looks at many elements for one: pools, reductions, softmax, layer norm, top_k, arg_max."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dsruntime.backends.cuda.builder import Builder
from dsruntime.backends.cuda.kernels import reduce as reduces
from dsruntime.backends.cuda.kernels import softmax as softmaxes
from dsruntime.backends.cuda.kernels.pool import pool as pool_launches
from dsruntime.backends.cuda.kernels.top_k import first_k
from dsruntime.plan.fusion import Group
from dsruntime.plan.tensor import Tensor, channels_last


def pool(builder: Builder, group: Group) -> None:
    a, op = group.node.attributes, group.node.op
    x = builder.images(group.operands[0])
    y = builder.result(group.outputs[0])
    rank = len(y.shape) - 2
    shape = (y.shape[0], y.shape[1], 1, y.shape[2]) if rank == 1 else y.shape
    size: dict[str, Any] = dict(
        n=x.shape[0],
        channels=x.shape[1],
        h=x.shape[2],
        w=x.shape[3],
        out_h=shape[2],
        out_w=shape[3],
        kernel=both(a["kernel_shape"], 1),
        strides=both(a.get("strides") or [1] * rank, 1),
        pads=four_pads(a.get("pads") or [0] * 2 * rank),
        dilations=both(a.get("dilations") or [1] * rank, 1),
        count_include_pad=bool(a.get("count_include_pad", 0)),
    )
    if y.count:
        builder.step(lambda at: pool_launches(op, at(x), at(y), **size), x, y)


def both(values: Sequence[int], first: int) -> tuple[int, int]:
    """(height, width); of one spatial axis it is the width."""
    return (first, values[0]) if len(values) == 1 else (values[0], values[1])


def four_pads(pads: Sequence[int]) -> tuple[int, int, int, int]:
    """(top, left, bottom, right)"""
    return (0, pads[0], 0, pads[1]) if len(pads) == 2 else (pads[0], pads[1], pads[2], pads[3])


def global_pool(builder: Builder, group: Group) -> None:
    rank = len(builder.shapes[group.operands[0]])
    reduced(builder, group, "max" if "max" in group.node.op else "mean", range(2, rank), channels_last(rank))


def reduce(builder: Builder, group: Group) -> None:
    reduced(builder, group, group.node.op.removeprefix("reduce_"), group.node.attributes["axes"], None)


def reduced(builder: Builder, group: Group, op: str, axes: Iterable[int], order: Sequence[int] | None) -> None:
    x = builder.value(group.operands[0])
    shape = builder.shapes[group.outputs[0]]
    y = builder.result(group.outputs[0], order or range(len(shape)))
    if y.count:
        builder.step(lambda at: reduces.reduce(op, x, at(x), axes, y, at(y)), x, y)


def softmax(builder: Builder, group: Group) -> None:
    x = builder.value(group.operands[0])
    y = builder.result(group.outputs[0], x.order() if x.is_packed() else None)
    axis = group.node.attributes.get("axis", -1) % len(x.shape)
    logarithm = group.node.op == "log_softmax"
    if y.count:
        builder.step(lambda at: softmaxes.softmax(logarithm, x, at(x), axis, y, at(y)), x, y)


def layer_normalization(builder: Builder, group: Group) -> None:
    node = group.node
    x = builder.value(group.operands[0])
    axis = node.attributes.get("axis", -1) % len(x.shape)
    scale, *bias = (parameters(builder, index, x.shape[axis:]) for index in group.operands[1:])
    epsilon = node.attributes.get("epsilon", 1e-5)
    y = builder.result(group.outputs[0], range(len(x.shape)))
    if y.count:
        builder.step(
            lambda at: softmaxes.layer_norm(x, at(x), axis, at(scale), at(bias[0]) if bias else 0, epsilon, y, at(y)),
            x,
            scale,
            *bias,
            y,
        )


def parameters(builder: Builder, index: int, shape: Sequence[int]) -> Tensor:
    """scale or bias as dense float32 of the normalised shape."""
    if builder.is_weight(index):
        return builder.constant(np.broadcast_to(builder.array(index).astype(np.float32), shape))
    return builder.packed(builder.value(index).broadcast(shape), dtype="float32")


def top_k(builder: Builder, group: Group) -> None:
    a = group.node.attributes
    x = builder.value(group.operands[0])
    axis = a.get("axis", -1) % len(x.shape)
    values, indices = group.outputs
    order = range(len(x.shape))
    x = builder.packed(x, x.order() if x.is_packed() else None, "float16" if x.dtype.startswith("float") else x.dtype)
    y, z = builder.result(values, order), builder.result(indices, order)
    largest = bool(a.get("largest", 1))
    if y.count:
        builder.step(lambda at: first_k(x, at(x), axis, a["k"], y, at(y), at(z), largest=largest), x, y, z)


def arg_max(builder: Builder, group: Group) -> None:
    a = group.node.attributes
    x = builder.value(group.operands[0])
    axis = a.get("axis", 0) % len(x.shape)
    kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    y = builder.result(group.outputs[0], range(len(builder.shapes[group.outputs[0]])))
    rows = y.viewed(kept)
    last = bool(a.get("select_last_index", 0))
    if y.count:
        builder.step(lambda at: first_k(x, at(x), axis, 1, rows, 0, at(rows), last=last), x, y)
