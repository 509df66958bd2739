"""infer_shapes: gives every value its shape, static but for the batch, and finds out which values are constants.

    before   x [batch, 3, 224, 224] ... view [None, None]
    after    x [N, 3, 224, 224]     ... view [N, 512], and value.meta["constant"], value.meta["per_batch"] where known

The graph is walked twice without changing it, with N = 7 and N = 11, and with others where it asks for a shape (see
batch.py). Known inputs are evaluated, the
rest goes through ONNX's shape inference node by node, so that Shape, Gather, Concat and whatever else computes a shape
become numbers. A value that is the same array in both walks gets meta["constant"]; one that is known in both but
differs gets meta["per_batch"] = (array at 7, array at 11), or where those are equal that of another size.

Left without a shape, whatever the graph declares: values that the walk cannot type; lower says so when it meets one.
Refused, all at once: a shape that depends on the batch in another way than k * N.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir

from dscompress.errors import CompileError
from dscompress.library import first_line
from dscompress.passes import batch
from dscompress.passes.corrected_shapes import corrected
from dscompress.passes.evaluate import Budget, can_evaluate, evaluate
from dscompress.passes.source import describe

MOST_ELEMENTS = 1 << 20  # larger arrays are data, not shapes: left to fold_constants and to the runtime
MOST_SIZE = 2**63 - 1  # that Size can say; no tensor of a file is as large
MOST_HINT = 1 << 12  # constants that shape inference is told about: shapes, axes, sizes
ASKING = {"Shape", "Size", "Slice"}  # how the batch comes to count otherwise than as a multiple


@dataclass
class Facts:
    """What is known of the values with one batch size."""

    opset: int
    budget: Budget = field(default_factory=Budget)
    shapes: dict[ir.Value, tuple[int, ...]] = field(default_factory=dict)
    dtypes: dict[ir.Value, ir.DataType] = field(default_factory=dict)
    constants: dict[ir.Value, np.ndarray] = field(default_factory=dict)
    refusals: dict[ir.Value, str] = field(default_factory=dict)  # results of nodes that ONNX's inference refuses

    def constant(self, value: ir.Value) -> np.ndarray | None:
        tensor = value.const_value if value.is_initializer() else None
        if tensor is not None and tensor.size <= MOST_ELEMENTS and value not in self.constants:
            self.constants[value] = tensor.numpy()
        return self.constants.get(value)

    def learn(self, value: ir.Value, array: np.ndarray) -> None:
        self.constants[value] = array
        self.shapes[value] = array.shape
        self.dtypes[value] = ir.DataType.from_numpy(array.dtype)


class InferShapes(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        facts = [specialise(model, size) for size in batch.BATCHES]
        asks = any(node.op_type in ASKING for node in model.graph)
        others = {size: specialise(model, size) for size in batch.OTHERS} if asks else {}
        problems = []
        for value in all_values(model.graph):
            if value in facts[0].refusals and value not in facts[0].shapes:
                value.meta["refusal"] = facts[0].refusals[value]
            shapes = [shape for fact in facts if (shape := fact.shapes.get(value)) is not None]
            if len(shapes) < len(facts):
                value.shape = None  # what the graph declares, nobody has computed
                continue
            merged = [batch.merge(pair) for pair in zip(*shapes, strict=False)]
            found = dict(zip(batch.BATCHES, shapes, strict=True))
            refuted = len(shapes[0]) != len(shapes[1]) or None in merged
            if not refuted and (odd := next(refuting(merged, value, others), None)):
                refuted, found = True, {batch.BATCHES[0]: shapes[0], odd: others[odd].shapes[value]}
            if refuted:
                node = value.producer()
                if node is not None and not any(fact.constants.get(value) is not None for fact in facts):
                    problems.append(problem(node, found))
            else:
                value.shape = batch.to_shape(tuple(size for size in merged if size is not None))
            if value.dtype is None:
                value.dtype = facts[0].dtypes.get(value)
            remember(value, [fact.constants.get(value) for fact in facts], others.values())
        if problems:
            raise CompileError(
                model.graph.name or "model",
                "; ".join(problems),
                "dimensions that are constant or a multiple of the batch size",
                "export with a fixed batch size: --no-dynamic-batch",
            )
        return ir.passes.PassResult(model, modified=True)


def refuting(merged: list, value: ir.Value, others: dict[int, Facts]) -> Iterator[int]:
    """Batch sizes at which a shape is another one; of 1 a dimension may be gone, which squeezing does."""
    for size, facts in others.items():
        shape = facts.shapes.get(value)
        expected = tuple(d if d >= 0 else -d * size for d in merged)
        if shape is not None and shape != expected and (size > 1 or len(shape) == len(expected)):
            yield size


def problem(node: ir.Node, shapes: dict) -> str:
    sizes = " and ".join(f"{shape} for a batch of {size}" for size, shape in shapes.items())
    return f"{describe(node)}: the shape depends on the batch size in an unsupported way, {sizes}"


def remember(value: ir.Value, arrays: list[np.ndarray | None], others: Collection[Facts]) -> None:
    first, second = arrays
    if value.is_initializer() or first is None or second is None:
        return
    odd = (array for facts in others if (array := facts.constants.get(value)) is not None and not same(first, array))
    if not same(first, second):
        value.meta["per_batch"] = (first, second)
    elif (other := next(odd, None)) is not None:
        value.meta["per_batch"] = (first, other)
    else:
        value.meta["constant"] = first


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def all_values(graph: ir.Graph):
    yield from graph.inputs
    for node in graph:
        yield from node.outputs


def specialise(model: ir.Model, size: int) -> Facts:
    """Everything that can be known with N = size."""
    facts = start(model, size)
    for node in model.graph:
        learn_node(facts, node)
    return facts


def start(model: ir.Model, size: int) -> Facts:
    """What is known of the inputs with N = size."""
    facts = Facts(model.graph.opset_imports.get("", 20))
    for value in model.graph.inputs:
        facts.shapes[value] = tuple(input_dimension(value, axis, size) for axis in range(len(value.shape or ())))
        facts.dtypes[value] = value.dtype or ir.DataType.FLOAT
    return facts


def input_dimension(value: ir.Value, axis: int, size: int) -> int:
    d = value.shape[axis]  # type: ignore[index]
    if isinstance(d, int):
        return d
    if axis == 0 or d == value.shape[0]:  # type: ignore[index]
        return size
    raise CompileError(
        f"input '{value.name}'",
        f"dimension {axis} is not fixed ('{d.value}')",
        "a size that may vary in the batch dimension alone",
        "give the sizes with --input-shape, such as --input-shape 1,3,224,224",
    )


def learn_node(facts: Facts, node: ir.Node) -> None:
    if node.op_type in ("Shape", "Size") and (shape := type_of(facts, node.inputs[0])[1]) is not None:
        start, end = (node.attributes.get_int(name, default) for name, default in (("start", 0), ("end", None)))
        known = shape[start:end] if node.op_type == "Shape" else min(math.prod(shape), MOST_SIZE)
        facts.learn(node.outputs[0], np.array(known, np.int64))
        return
    inputs = [facts.constant(value) if value is not None else None for value in node.inputs]
    known = all(array is not None for array, value in zip(inputs, node.inputs, strict=True) if value is not None)
    if known and can_evaluate(node) and output_is_small(facts, node, inputs):
        outputs = evaluate(node, inputs, node.version or facts.opset)
        if outputs is not None:
            for value, array in zip(node.outputs, outputs, strict=False):
                facts.learn(value, array)
            return
    infer_node(facts, node, inputs)


def output_is_small(facts: Facts, node: ir.Node, inputs: list) -> bool:
    """Asks shape inference before evaluating what may blow up: Expand, ConstantOfShape, Tile, Range ..."""
    infer_node(facts, node, inputs)
    shapes = [facts.shapes.get(value) for value in node.outputs]
    return facts.budget.allows(node, inputs, shapes, MOST_ELEMENTS)


def infer_node(facts: Facts, node: ir.Node, inputs: list[np.ndarray | None]) -> None:
    """ONNX's own inference for one node, given types and the small constants among its inputs."""
    types, hints = {}, {}
    for value, array in zip(node.inputs, inputs, strict=True):
        if value is None or not value.name:
            continue
        dtype, shape = type_of(facts, value)
        if dtype is None:
            return
        types[value.name] = onnx.helper.make_tensor_type_proto(int(dtype), shape)
        if array is not None and array.size <= MOST_HINT and dtype != ir.DataType.STRING:
            hints[value.name] = onnx.numpy_helper.from_array(array, value.name)
    version = node.version or facts.opset
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:  # unknown operator: lower reports the node
        return
    try:
        found = onnx.shape_inference.infer_node_outputs(
            schema, ir.serde.serialize_node(node), types, hints, opset_imports=[onnx.helper.make_opsetid("", version)]
        )
    except Exception as error:  # its inference refuses: lower reports the node
        facts.refusals.update(dict.fromkeys(node.outputs, first_line(error).rpartition("] ")[2]))
        return
    for value in node.outputs:
        tensor = found.get(value.name or "")
        if tensor is None or not tensor.HasField("tensor_type") or not tensor.tensor_type.HasField("shape"):
            continue
        dims = tensor.tensor_type.shape.dim
        facts.dtypes[value] = ir.DataType(tensor.tensor_type.elem_type)
        guessed = node.op_type == "Expand" and inputs[1] is None  # ONNX answers with the shape of what is expanded
        if all(dim.HasField("dim_value") for dim in dims) and not guessed:
            shape = tuple(dim.dim_value for dim in dims)
            before = type_of(facts, node.inputs[0])[1] if node.inputs else None
            facts.shapes[value] = corrected(node, before, shape, inputs)


def type_of(facts: Facts, value: ir.Value | None) -> tuple[ir.DataType | None, tuple[int, ...] | None]:
    if value is None:
        return None, None
    if value.is_initializer() and value.const_value is not None:
        return value.const_value.dtype, tuple(value.const_value.shape.numpy())
    return facts.dtypes.get(value, value.dtype), facts.shapes.get(value)
