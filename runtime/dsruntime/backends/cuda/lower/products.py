"""conv, conv_transpose, gemm, mat_mul: constant weights are packed codes, with bias, residual and clip in the epilogue;
products of two activations go to mat_mul."""

from __future__ import annotations

from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from dsruntime.backends.cuda.builder import OVERFLOW_AT, At, Builder
from dsruntime.backends.cuda.kernels import conv as convs
from dsruntime.backends.cuda.kernels import conv_transpose as transposed_convs
from dsruntime.backends.cuda.kernels import elementwise
from dsruntime.backends.cuda.kernels import linear as linears
from dsruntime.backends.cuda.kernels import mat_mul as mat_muls
from dsruntime.backends.cuda.launch import Launch
from dsruntime.backends.cuda.lower.reductions import both, four_pads
from dsruntime.backends.cuda.weights import Packed, prepare_raw
from dsruntime.plan.fusion import Group
from dsruntime.plan.tensor import Tensor, channels_last, dense_strides


def conv(builder: Builder, group: Group) -> None:
    """conv and conv_transpose."""
    node, a = group.node, group.node.attributes
    transposed, parts = node.op == "conv_transpose", a.get("group", 1)
    (x_index, w_index), b_index = group.operands[:2], (*node.inputs, None)[2]
    weight = (
        builder.weight(w_index, node.op, parts)
        if builder.is_weight(w_index)
        else computed_weight(builder, w_index, node.op, parts)
    )
    x = builder.images(x_index)
    y_shape = builder.shapes[group.outputs[0]]
    rank = len(y_shape) - 2
    size = dict(
        n=x.shape[0],
        h=x.shape[2],
        w=x.shape[3],
        c=x.shape[1],
        outputs=y_shape[1],
        out_h=y_shape[2] if rank == 2 else 1,
        out_w=y_shape[-1],
        kernel=both(builder.shapes[w_index][2:], 1),
        strides=both(a.get("strides") or [1] * rank, 1),
        pads=four_pads(a.get("pads") or [0] * 2 * rank),
        dilations=both(a.get("dilations") or [1] * rank, 1),
        group=parts,
    )
    bias = None if b_index is None else builder.packed(builder.value(b_index), dtype="float32")
    residual = (
        None if group.residual is None else builder.halves(builder.value(group.residual), channels_last(rank + 2))
    )
    y = builder.result(group.outputs[0])
    product(builder, group, transposed_convs if transposed else convs, weight, x, bias, residual, y, size)


def product(
    builder: Builder,
    group: Group,
    launcher: ModuleType,
    weight: Packed | tuple[Packed, Tensor],
    x: Tensor,
    bias: Tensor | None,
    residual: Tensor | None,
    y: Tensor,
    size: dict[str, Any],
) -> None:
    """One step: y = clip(x * weight + bias + residual, low, high).

    weight: a Packed, or one that has no address yet and the tensor that it will lie in.
    """
    packed, tensor = weight if isinstance(weight, tuple) else (weight, None)
    sms = builder.constants.driver.multiprocessors
    scratch = builder.scratch(*launcher.scratch_bytes(packed, sms=sms, **size))
    low, high, fault, tag = group.low, group.high, builder.fault(), len(builder.steps) + 1

    def make(at: At) -> list[Launch]:
        bias_at, residual_at, scratch_at = (0 if t is None else at(t) for t in (bias, residual, scratch))
        placed = packed if tensor is None else Packed(packed.prepared, at(tensor))
        return launcher.launches(
            at(x),
            placed,
            bias_at,
            residual_at,
            at(y),
            scratch_at,
            low=low,
            high=high,
            sms=sms,
            overflow=at(fault) + OVERFLOW_AT,
            tag=tag,
            **size,
        )

    builder.step(make, *(t for t in (x, bias, residual, scratch, tensor, fault, y) if t is not None))


def computed_weight(builder: Builder, index: int, role: str, parts: int) -> tuple[Packed, Tensor]:
    """A weight that is no constant: packed in every run, from float32 where a constant's stored bytes would be."""
    value = builder.value(index)
    prepared = prepare_raw(np.ones(value.shape, np.float32), role, parts)
    source, packed = builder.new((len(prepared.upload),), "uint8"), builder.new((prepared.bytes,), "uint8")
    floats = Tensor(source.buffer, 0, value.shape, dense_strides(value.shape, range(len(value.shape))), "float32")
    rest = builder.constant(prepared.upload[floats.bytes :])
    builder.copy(value, floats)
    builder.copy(rest, source.sliced(0, floats.bytes, rest.count))
    builder.step(lambda at: prepared.launches(at(source), at(packed)), source, packed, op="pack")
    return Packed(prepared, 0), packed


def gemm(builder: Builder, group: Group) -> None:
    """alpha * a @ b + beta * c; with a constant b and plain factors it is one linear step."""
    node, a = group.node, group.node.attributes
    (x, w), c = group.operands[:2], (*node.inputs, None)[2]
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    left = builder.value(x)
    left = left.transposed((1, 0)) if a.get("trans_a", 0) else left
    if builder.is_weight(w) and alpha == 1 and is_row(builder, c):
        role = "linear" if a.get("trans_b", 0) else "linear_transposed"
        bias = None if c is None else row(builder, c, builder.shapes[group.outputs[0]][1], beta)
        return linear(builder, group, left, builder.weight(w, role), bias)
    right = builder.value(w)
    right = right.transposed((1, 0)) if a.get("trans_b", 0) else right
    scaled_gemm(builder, group, left, right, c, alpha, beta)


def is_row(builder: Builder, index: int | None) -> bool:
    """A constant bias: absent, or the same for every row."""
    return index is None or (builder.is_weight(index) and prod(builder.shapes[index][:-1]) == 1)


def row(builder: Builder, index: int, outputs: int, factor: float = 1.0) -> Tensor:
    values = np.broadcast_to(builder.array(index).reshape(-1), (outputs,)).astype(np.float32)
    return builder.constant(values * np.float32(factor))


def linear(builder: Builder, group: Group, x: Tensor, weight: Packed, bias: Tensor | None) -> None:
    """x: [..., k]; every axis but the last counts rows."""
    x = builder.halves(x)
    y_shape = builder.shapes[group.outputs[0]]
    residual = None if group.residual is None else builder.halves(builder.value(group.residual))
    y = builder.result(group.outputs[0], range(len(y_shape)))
    size = dict(rows=prod(x.shape[:-1]), k=x.shape[-1], outputs=y.count // prod(x.shape[:-1]))
    product(builder, group, linears, weight, x, bias, residual, y, size)


def scaled_gemm(
    builder: Builder, group: Group, left: Tensor, right: Tensor, c: int | None, alpha: float, beta: float
) -> None:
    """The general case: the product in float16, then alpha, beta and c element by element."""
    shape = builder.shapes[group.outputs[0]]
    plain = c is None and alpha == 1
    y = builder.result(group.outputs[0], (0, 1)) if plain else builder.new(shape, "float32")
    low, high = (group.low, group.high) if plain else (-np.inf, np.inf)
    matrix_product(builder, left, right, y, low, high)
    if plain:
        return
    if alpha != 1:
        y = scaled(builder, y, alpha)
    if c is None:
        builder.copy_clipped(y, builder.result(group.outputs[0], (0, 1)), group.low, group.high)
        return
    added = builder.value(c)
    added = (scaled(builder, added, beta) if beta != 1 else added).broadcast(shape)
    z = builder.result(group.outputs[0], (0, 1))
    total = y
    builder.step(
        lambda at: elementwise.binary("add", total, at(total), added, at(added), z, at(z), group.low, group.high),
        total,
        added,
        z,
    )


def scaled(builder: Builder, x: Tensor, factor: float) -> Tensor:
    constant = builder.constant(np.full((1,), factor, np.float32)).broadcast(x.shape)
    y = builder.new(x.shape, "float32")
    builder.step(lambda at: elementwise.binary("mul", x, at(x), constant, at(constant), y, at(y)), x, constant, y)
    return y


def mat_mul(builder: Builder, group: Group) -> None:
    """numpy.matmul: a constant matrix on the right is a linear step, anything else a product of two activations."""
    left, right = group.operands
    a_shape, b_shape = builder.shapes[left], builder.shapes[right]
    if builder.is_weight(right) and len(b_shape) == 2 and len(a_shape) > 1:
        bias = None if group.bias is None else row(builder, group.bias, b_shape[1])
        return linear(builder, group, builder.value(left), builder.weight(right, "linear_transposed"), bias)
    a, b = builder.value(left), builder.value(right)
    a = a if len(a_shape) > 1 else a.viewed((1, *a_shape))
    b = b if len(b_shape) > 1 else b.viewed((*b_shape, 1))
    shape = builder.shapes[group.outputs[0]]
    y = builder.result(group.outputs[0], range(len(shape)))
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    full = y.viewed((*batch, a.shape[-2], b.shape[-1]))
    alpha = 1.0 if group.factor is None else float(builder.array(group.factor).reshape(-1)[0])
    matrix_product(builder, a, b, full, group.low, group.high, alpha)


def matrix_product(
    builder: Builder, a: Tensor, b: Tensor, y: Tensor, low: float, high: float, alpha: float = 1.0
) -> None:
    """y [..., m, n] = alpha * a [..., m, k] @ b [..., k, n], batch axes broadcast; a, b: halves, however they lie."""
    batch, (m, n), k = y.shape[:-2], y.shape[-2:], a.shape[-1]
    a = whole_halves(builder, a).broadcast((*batch, m, k))
    b = whole_halves(builder, b).broadcast((*batch, k, n))
    out = y if y.dtype == "float16" else builder.new(y.shape, "float16")
    fault, tag = builder.fault(), len(builder.steps) + 1
    size: dict[str, Any] = dict(
        batch=batch, m=m, n=n, k=k, a_strides=a.strides, b_strides=b.strides, alpha=alpha, low=low, high=high
    )
    builder.step(
        lambda at: mat_muls.launches(at(a), at(b), at(out), overflow=at(fault) + OVERFLOW_AT, tag=tag, **size),
        a,
        b,
        fault,
        out,
    )
    if out is not y:
        builder.copy(out, y)


def whole_halves(builder: Builder, x: Tensor) -> Tensor:
    return x if x.dtype == "float16" else builder.halves(x)
