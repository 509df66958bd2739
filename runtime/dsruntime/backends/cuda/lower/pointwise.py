"""The element-wise ops, and batch norm as scale and shift per channel."""

from __future__ import annotations

import numpy as np

from dsruntime.backends.cuda.builder import Builder
from dsruntime.backends.cuda.kernels import elementwise
from dsruntime.plan.fusion import CLIPS, Group
from dsruntime.plan.tensor import Tensor, channels_last

# op -> (function of elementwise.h, its two parameters from the attributes)
FUNCTIONS = {
    "clip": ("clip", CLIPS["clip"]),
    "elu": ("elu", lambda a: (a.get("alpha", 1.0), 0.0)),
    "hard_sigmoid": ("hard_sigmoid", lambda a: (a.get("alpha", 0.2), a.get("beta", 0.5))),
    "leaky_relu": ("leaky_relu", lambda a: (a.get("alpha", 0.01), 0.0)),
    "relu": ("clip", CLIPS["relu"]),
}


def unary(builder: Builder, group: Group) -> None:
    node = group.node
    x = builder.value(group.operands[0])
    op = "silu" if group.gated else node.op
    name, parameters = FUNCTIONS.get(op, (op, lambda a: (0.0, 0.0)))
    if op == "gelu" and node.attributes.get("approximate") == "tanh":
        name = "gelu_tanh"
    p, q = parameters(node.attributes)
    y = builder.result(group.outputs[0], order_like(x))
    if y.count:
        builder.step(lambda at: elementwise.unary(name, x, at(x), y, at(y), p, q), x, y)


def binary(builder: Builder, group: Group) -> None:
    a, b = (builder.value(index) for index in group.operands)
    shape = builder.shapes[group.outputs[0]]
    largest = max((t for t in (a, b) if t.shape == shape), key=lambda t: t.dtype == "float16", default=None)
    y = builder.result(group.outputs[0], order_like(largest) if largest else None)
    if group.node.op in ("add", "mul") and b is largest:
        a, b = b, a  # the smaller one on the right, where kernels repeat it
    a, b = a.broadcast(shape), b.broadcast(shape)
    if y.count:
        builder.step(
            lambda at: elementwise.binary(group.node.op, a, at(a), b, at(b), y, at(y), group.low, group.high), a, b, y
        )


def batch_normalization(builder: Builder, group: Group) -> None:
    """(x - mean) / sqrt(var + epsilon) * scale + bias = x * scale' + shift', worked out in float64 at plan time."""
    x, *parameters = group.operands
    if not all(builder.is_weight(index) for index in parameters):
        return of_computed_parameters(builder, group)
    scale, bias, mean, variance = (builder.array(index).astype(np.float64) for index in parameters)
    factor = scale / np.sqrt(variance + group.node.attributes.get("epsilon", 1e-5))
    scales = builder.constant(factor.astype(np.float32))
    shifts = builder.constant((bias - mean * factor).astype(np.float32))
    rank = len(builder.shapes[x])
    order = channels_last(rank) if rank in (3, 4) else (0, *range(2, rank), 1)
    source = builder.halves(builder.value(x), order)
    y = builder.result(group.outputs[0], order)
    channels = y.shape[1]
    if y.count:
        builder.step(
            lambda at: elementwise.scale_shift(
                at(source), at(scales), at(shifts), at(y), y.count, channels, group.low, group.high
            ),
            source,
            scales,
            shifts,
            y,
        )


def of_computed_parameters(builder: Builder, group: Group) -> None:
    """Five element-wise steps, each in float32 until the last."""
    node = group.node
    x, *parameters = (builder.value(index) for index in group.operands)
    shape = x.shape
    scale, bias, mean, variance = (p.viewed((p.count, *[1] * (len(shape) - 2))) for p in parameters)
    epsilon = builder.constant(np.full((1,), node.attributes.get("epsilon", 1e-5), np.float32))

    def apply(op: str, a: Tensor, b: Tensor, like: tuple[int, ...]) -> Tensor:
        y = builder.new(like, "float32")
        a, b = a.broadcast(like), b.broadcast(like)
        builder.step(lambda at: elementwise.binary(op, a, at(a), b, at(b), y, at(y)), a, b, y)
        return y

    widened = apply("add", variance, epsilon, variance.shape)
    deviation = builder.new(widened.shape, "float32")
    builder.step(
        lambda at: elementwise.unary("sqrt", widened, at(widened), deviation, at(deviation)), widened, deviation
    )
    factor = apply("div", scale, deviation, scale.shape)
    distance = apply("sub", x, mean, shape)
    scaled = apply("mul", distance, factor, shape)
    y = builder.result(group.outputs[0])
    shift = bias.broadcast(shape)
    builder.step(
        lambda at: elementwise.binary("add", scaled, at(scaled), shift, at(shift), y, at(y), group.low, group.high),
        scaled,
        shift,
        y,
    )


def order_like(x: Tensor) -> tuple[int, ...]:
    """The order of a packed tensor is kept; another's result is laid out afresh."""
    return x.order() if x.is_packed() else channels_last(len(x.shape))
