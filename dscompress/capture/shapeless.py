"""shapeless: inputs and outputs whose shape, or outputs whose type, the file does not say.

onnx.checker insists on both. ONNX Runtime does not, nor does export: shapes of outputs are inferred, and an input's may
be given with --input-shape.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import onnx


@contextlib.contextmanager
def as_if_shaped(proto: onnx.ModelProto) -> Iterator[None]:
    """Within it every input and output that is a tensor has some shape; what has none loses it again."""
    infer_types(proto)
    tensors = [value.type.tensor_type for value in (*proto.graph.input, *proto.graph.output) if is_tensor(value)]
    shapeless = [tensor for tensor in tensors if not tensor.HasField("shape")]
    for tensor in shapeless:
        tensor.shape.SetInParent()
    try:
        yield
    finally:
        for tensor in shapeless:
            tensor.ClearField("shape")


def is_tensor(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type")


def infer_types(proto: onnx.ModelProto) -> None:
    """Gives outputs without a type the one that ONNX infers; where it infers none, the checker says so."""
    untyped = [value for value in proto.graph.output if not value.type.WhichOneof("value")]
    if not untyped:
        return
    try:
        inferred = onnx.shape_inference.infer_shapes(proto)
    except Exception:  # of a graph that the checker refuses too
        return
    types = {value.name: value.type for value in (*inferred.graph.value_info, *inferred.graph.output)}
    types |= {value.name: value.type for value in proto.graph.input}
    for value in untyped:
        if value.name in types:
            value.type.CopyFrom(types[value.name])
