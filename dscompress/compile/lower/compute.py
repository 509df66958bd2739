"""Operators that compute element by element, along axes, or as a product of matrices."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from dscompress.compile.lower.source import Lowered, Source, Unsupported, compact, positive


def unary(op: str) -> Callable[[Source], Lowered]:
    return lambda source: Lowered(op, source.floats(0))


def binary(op: str) -> Callable[[Source], Lowered]:
    return lambda source: Lowered(op, source.floats(0, 1))


def with_alpha(op: str, default: float) -> Callable[[Source], Lowered]:
    return lambda source: Lowered(op, source.floats(0), compact(alpha=(source.real("alpha", default), default)))


def hard_sigmoid(source: Source) -> Lowered:
    alpha, beta = source.real("alpha", 0.2), source.real("beta", 0.5)
    return Lowered("hard_sigmoid", source.floats(0), compact(alpha=(alpha, 0.2), beta=(beta, 0.5)))


def gelu(source: Source) -> Lowered:
    return Lowered("gelu", source.floats(0), compact(approximate=(source.text("approximate", "none"), "none")))


def clip(source: Source) -> Lowered:
    low, high = source.parameter(1, "min"), source.parameter(2, "max")
    bounds = {"min": low and float(low[0]), "max": high and float(high[0])}
    return Lowered("clip", source.floats(0), {name: bound for name, bound in bounds.items() if bound is not None})


def total(source: Source) -> Lowered:
    """Sum of any number of tensors; the file's add takes two."""
    count = len(source.node.inputs)
    if count == 1:
        return Lowered("identity", [source.data()])
    if count > 2:
        raise Unsupported(f"it adds {count} tensors", "add them two at a time")
    return Lowered("add", source.floats(0, 1))


def softmax(op: str) -> Callable[[Source], Lowered]:
    def lower(source: Source) -> Lowered:
        shape = source.shape()
        axis = source.axis(-1 if source.opset >= 13 else 1)
        # Before operator set 13 it runs over all dimensions from axis on.
        if source.opset < 13 and any(d != 1 for d in shape[axis + 1 :]):
            raise Unsupported(f"in operator set {source.opset} it spans several dimensions", "export with opset 13")
        return Lowered(op, source.floats(0), {} if axis == len(shape) - 1 else {"axis": axis})

    return lower


def reduce(op: str) -> Callable[[Source], Lowered]:
    def lower(source: Source) -> Lowered:
        rank = len(source.shape())
        axes = source.parameter(1, "axes") or []
        if not axes and source.integer("noop_with_empty_axes", 0):
            return Lowered("identity", [source.data()])
        chosen = sorted(positive(axis, rank) for axis in axes) or list(range(rank))
        keepdims = compact(keepdims=(source.integer("keepdims", 1), 1))
        return Lowered(op, source.floats(0), {"axes": chosen, **keepdims})

    return lower


def gemm(source: Source) -> Lowered:
    attributes = compact(
        alpha=(source.real("alpha", 1.0), 1.0),
        beta=(source.real("beta", 1.0), 1.0),
        trans_a=(source.integer("transA", 0), 0),
        trans_b=(source.integer("transB", 0), 0),
    )
    return Lowered("gemm", source.floats(0, 1, 2), attributes)


def batch_normalization(source: Source) -> Lowered:
    source.refuse_attribute("training_mode", 0, "export the model after model.eval()")
    source.refuse_attribute("spatial", 1)
    source.expect_one_output()
    attributes = compact(epsilon=(source.real("epsilon", 1e-5), 1e-5))
    return Lowered("batch_normalization", source.floats(0, 1, 2, 3, 4), attributes)


def layer_normalization(source: Source) -> Lowered:
    source.refuse_attribute("stash_type", 1)
    source.expect_one_output()
    rank = len(source.shape())
    axis = source.axis(-1)
    attributes = compact(axis=(axis, rank - 1), epsilon=(source.real("epsilon", 1e-5), 1e-5))
    return Lowered("layer_normalization", source.floats(0, 1, 2), attributes)


def arg_max(source: Source) -> Lowered:
    attributes = compact(
        axis=(source.axis(0), 0),
        keepdims=(source.integer("keepdims", 1), 1),
        select_last_index=(source.integer("select_last_index", 0), 0),
    )
    return Lowered("arg_max", source.floats(0), attributes)


def top_k(source: Source) -> Lowered:
    k = source.parameter(1, "k")
    rank = len(source.shape())
    attributes = compact(
        axis=(source.axis(-1), rank - 1),
        largest=(source.integer("largest", 1), 1),
        sorted=(source.integer("sorted", 1), 1),
    )
    return Lowered("top_k", source.floats(0), {"k": int(k[0]), **attributes}, outputs=2)


def cast(source: Source) -> Lowered:
    names = {
        ir.DataType.FLOAT: "float32",
        ir.DataType.INT64: "int64",
        ir.DataType.INT32: "int32",
        ir.DataType.UINT8: "uint8",
        ir.DataType.INT8: "int8",
        ir.DataType.BOOL: "bool",
    }
    to = ir.DataType(source.integer("to", int(ir.DataType.FLOAT)))
    if to not in names:
        raise Unsupported(f"it casts to {to.name.lower()}", "export the model in float32: model.float()")
    return Lowered("cast", [source.data()], {"to": names[to]})
