"""An ONNX node as a lowering sees it, and what a lowering gives back.

A lowering is a function from Source to Lowered: it names the file's operator, keeps the inputs that are data, turns
constant inputs into attributes, and refuses with Unsupported. Attributes equal to the operator's default are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from dscompress.passes import batch
from dsruntime.caps import MAX_DIM, MAX_RANK

DTYPES = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.INT8: "int8",
    ir.DataType.UINT8: "uint8",
    ir.DataType.INT32: "int32",
    ir.DataType.INT64: "int64",
    ir.DataType.BOOL: "bool",
}

CONSTANT = "make it a constant: an initializer of the graph"


class Unsupported(Exception):
    """Why a node cannot be stored, and what the author of the model can do."""

    def __init__(self, why: str, suggestion: str = "") -> None:
        super().__init__(why)
        self.why, self.suggestion = why, suggestion


class Unknown(Unsupported):
    """A shape or a type that nobody knows; where a node before this one is refused, that is the reason."""


@dataclass(frozen=True)
class Lowered:
    op: str
    inputs: list[ir.Value | None]
    attributes: dict = field(default_factory=dict)
    outputs: int = 1


class Source:
    """Inputs, attributes and shapes of a node, with the defaults that ONNX gives them."""

    def __init__(self, node: ir.Node, opset: int) -> None:
        self.node, self.opset = node, opset

    def input(self, index: int) -> ir.Value | None:
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def data(self, index: int = 0) -> ir.Value:
        """An input that must be there."""
        value = self.input(index)
        if value is None:
            raise Unsupported(f"input {index} is missing")
        return value

    def floats(self, *indices: int) -> list[ir.Value | None]:
        """Inputs of a computing operator: float32 each; trailing absent ones are dropped."""
        values = [self.input(index) for index in indices]
        while values and values[-1] is None:
            values.pop()
        for index, value in enumerate(values):
            if value is not None:
                self.expect_float(index, value)
        return list(values)

    def expect_float(self, index: int, value: ir.Value) -> None:
        if value.dtype == ir.DataType.FLOAT:
            return
        if "per_batch" in value.meta or "constant" in value.meta:
            raise Unsupported(
                "it computes with numbers that depend on the batch size in a way the file cannot hold",
                "export with a fixed batch size: --no-dynamic-batch",
            )
        if value.dtype is None:
            raise Unknown(f"the type of '{value.name}' is unknown", "export the model with standard ONNX operators")
        if value.dtype in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE):
            remedy = "export the model in float32: model.float()"
        else:
            remedy = "cast to float32 before it"
        raise Unsupported(f"input {index} is {dtype_name(value.dtype)}, the operator computes in float32", remedy)

    def constant(self, index: int) -> np.ndarray | None:
        """The array behind an input; None where it is absent or not constant."""
        value = self.input(index)
        if value is None:
            return None
        if value.is_initializer() and value.const_value is not None:
            return value.const_value.numpy()
        return value.meta.get("constant")

    def parameter(self, index: int, name: str, absent=None):
        """A constant that newer operator sets take as input `index` and older ones as attribute `name`, as a list."""
        if (attribute := self.node.attributes.get(name)) is not None:
            value = attribute.value
            return list(value) if isinstance(value, (list, tuple)) else [value]
        if self.input(index) is None:
            return absent
        array = self.constant(index)
        if array is None:
            value = self.input(index)
            asked = value is not None and value.is_graph_input()
            where = f"an input of the model, '{value.name}'" if asked else "computed while the model runs"  # type: ignore[union-attr]
            raise Unsupported(f"its input {name} is {where}", CONSTANT)
        return array.reshape(-1).tolist()

    def integer(self, name: str, absent: int) -> int:
        return self.node.attributes.get_int(name, absent)

    def real(self, name: str, absent: float) -> float:
        return self.node.attributes.get_float(name, absent)

    def text(self, name: str, absent: str) -> str:
        return self.node.attributes.get_string(name, absent)

    def integers(self, name: str, absent: list[int]) -> list[int]:
        return list(self.node.attributes.get_ints(name, absent))

    def shape(self, index: int = 0) -> tuple[int, ...]:
        return shape_of(self.data(index))

    def output_shape(self, index: int = 0) -> tuple[int, ...]:
        try:
            return shape_of(self.node.outputs[index])
        except Unknown:
            for place, value in enumerate(self.node.inputs):
                if value is not None and value.is_graph_input() and (place or value.dtype == ir.DataType.INT64):
                    found = f"the shape of its result follows from an input of the model, '{value.name}'"
                    raise Unsupported(found, CONSTANT) from None
            raise

    def axis(self, absent: int, rank: int | None = None) -> int:
        return positive(self.integer("axis", absent), len(self.shape()) if rank is None else rank)

    def expect_one_output(self) -> None:
        used = [value.name for value in self.node.outputs[1:] if value.uses() or value.is_graph_output()]
        if used:
            raise Unsupported(f"its outputs {', '.join(map(str, used))} are used", "use its first output alone")

    def refuse_attribute(self, name: str, absent, suggestion: str = "") -> None:
        """Refuses an attribute that says anything but what the file's operator does, which is ONNX's default."""
        attribute = self.node.attributes.get(name)
        value = absent if attribute is None else attribute.value
        if value != absent:
            raise Unsupported(f"{name}={value!r} is not supported, {absent!r} is", suggestion)


def shape_of(value: ir.Value) -> tuple[int, ...]:
    if value.shape is None or any(not isinstance(d, int) and d.value is None for d in value.shape):
        raise Unknown(
            f"the shape of '{value.name}' depends on the values of the input, or its operator is unknown",
            "use operators whose result has a fixed shape",
        )
    try:
        return batch.dimensions(value)
    except ValueError as reason:
        raise Unknown(f"the shape of '{value.name}': {reason}", "give the sizes with --input-shape") from None


def check_fits(shape: tuple[int, ...], what: str) -> None:
    """what: "its result", "the input": refused where a file cannot hold such a shape."""
    if len(shape) > MAX_RANK:
        raise Unsupported(f"{what} has {len(shape)} dimensions, a file holds up to {MAX_RANK}", "reshape before it")
    if 0 in shape:
        raise Unsupported(f"{what} is empty, of shape {shape}", "leave out what has no elements")
    if shape and max(map(abs, shape)) > MAX_DIM:
        found = f"{what} has shape {shape}, a file holds dimensions up to {MAX_DIM:,}"
        raise Unsupported(found, "reshape it into more dimensions")


def dtype_name(dtype: ir.DataType | None) -> str:
    return "unknown" if dtype is None else DTYPES.get(dtype, dtype.name.lower())


def positive(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unsupported(f"its axis {axis} is none of {rank} dimensions", "correct the model and export it again")
    return axis + rank if axis < 0 else axis


def compact(**attributes) -> dict:
    """Attributes given as name=(value, default): those that differ from their default. Floats compare as float32."""
    return {name: value for name, (value, default) in attributes.items() if not same(value, default)}


def same(value, default) -> bool:
    if isinstance(value, float) and isinstance(default, float):
        return bool(np.float32(value) == np.float32(default))
    return value == default
