"""raise_floats: a graph that computes in float16, bfloat16 or float64 computes in float32, as the file's operators do.

    before   x float16 → Conv(x, w float16) → Cast(to=FLOAT16) → y float16
    after    x float32 → Conv(x, w float32) → Cast(to=FLOAT)   → y float32

What is raised: inputs, outputs, results, and the constants that meet them. What is known without the input, such as a
size computed in float64, stays as it is until it meets data: it is folded as the source computes it. A note says so,
and says how many constants are no float32 numbers and were rounded; one that is beyond float32 is refused.

Left alone: a graph whose data is float32 already; the bodies of loops and branches; lower refuses what is left.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dscompress.changes import Change
from dscompress.errors import CompileError
from dscompress.passes import batch, normalise
from dscompress.passes.infer_shapes import Facts, specialise

OTHERS = {ir.DataType.FLOAT16: "float16", ir.DataType.BFLOAT16: "bfloat16", ir.DataType.DOUBLE: "float64"}
SAYING = ("to", "dtype", "output_dtype")  # attributes that say the type of a result


def raise_floats(model: ir.Model, notes: list[str], changes: list[Change] | None = None) -> ir.Model:
    """The model, changed in place, or as it is where only float32 could be data. changes: get what was rounded."""
    if not any(value.dtype in OTHERS for value in all_values(model.graph)) and not casts_to_another(model.graph):
        return model
    model = normalise(model)
    facts = specialise(model, batch.BATCHES[0])
    raised = Raising(model.graph, facts)
    raised.run()
    if raised.found:
        notes.append(
            f"the graph computes in {' and '.join(sorted(raised.found))}: it was exported in float32, "
            "and so are its inputs and outputs"
        )
    if changes is not None:
        changes.extend(raised.changes)
    if raised.rounded:
        notes.append(
            f"{raised.rounded:,} of {raised.constants:,} numbers in its constants are no float32 numbers and "
            "were rounded"
        )
    return model


def all_values(graph: ir.Graph):
    yield from graph.inputs
    yield from graph.initializers.values()
    for node in graph:
        yield from node.outputs


def casts_to_another(graph: ir.Graph) -> bool:
    return any(says_another(attribute) for node in graph for attribute in node.attributes.values())


def says_another(attribute: ir.Attr) -> bool:
    if attribute.type == ir.AttributeType.TENSOR:
        return attribute.as_tensor().dtype in OTHERS
    return attribute.type == ir.AttributeType.INT and attribute.name in SAYING and attribute.value in OTHERS


class Raising:
    """One walk over the graph, in order."""

    def __init__(self, graph: ir.Graph, facts: Facts) -> None:
        self.graph, self.facts = graph, facts
        self.found: set[str] = set()  # types of data that were raised
        self.constants = self.rounded = 0  # numbers in raised float64 constants
        self.changes: list[Change] = []  # those constants, where any number was rounded
        self.done: dict[ir.Value, ir.Value] = {}  # constants, and what stands for them beside data

    def run(self) -> None:
        for value in self.graph.inputs:
            self.raise_value(value)
        for node in list(self.graph):
            if not all(self.is_known(value) for value in node.outputs):
                self.raise_node(node)
        for place, value in enumerate(self.graph.outputs):
            if value is not None and self.dtype(value) in OTHERS:
                self.graph.outputs[place] = self.constant(value, None)
        for value in self.done:
            if value.is_initializer() and not value.uses() and not value.is_graph_output():
                self.graph.initializers.pop(value.name or "")

    def is_known(self, value: ir.Value) -> bool:
        return value.is_initializer() or value in self.facts.constants

    def dtype(self, value: ir.Value) -> ir.DataType | None:
        if value.is_initializer() and value.const_value is not None:
            return value.const_value.dtype
        return self.facts.dtypes.get(value, value.dtype)

    def raise_node(self, node: ir.Node) -> None:
        for place, value in enumerate(node.inputs):
            if value is not None and self.is_known(value) and self.dtype(value) in OTHERS:
                node.replace_input_with(place, self.constant(value, node))
        for attribute in list(node.attributes.values()):
            if says_another(attribute):
                node.attributes.add(self.raised_attribute(attribute))
        for value in node.outputs:
            self.raise_value(value)

    def raise_value(self, value: ir.Value) -> None:
        if (dtype := self.dtype(value)) in OTHERS:
            self.found.add(OTHERS[dtype])
            value.dtype = self.facts.dtypes[value] = ir.DataType.FLOAT
        elif value.dtype in OTHERS:  # the source declares it so
            value.dtype = ir.DataType.FLOAT

    def raised_attribute(self, attribute: ir.Attr) -> ir.Attr:
        if attribute.type == ir.AttributeType.TENSOR:
            array = self.to_float32(attribute.as_tensor().numpy(), attribute.name)
            return ir.AttrTensor(attribute.name, ir.tensor(array))
        return ir.AttrInt64(attribute.name, int(ir.DataType.FLOAT))

    def constant(self, value: ir.Value, reader: ir.Node | None) -> ir.Value:
        """What stands for a constant of another float beside data: a weight of the same name, or a Cast."""
        if value not in self.done:
            self.done[value] = self.raised_weight(value) if value.is_initializer() else self.cast(value, reader)
        return self.done[value]

    def raised_weight(self, value: ir.Value) -> ir.Value:
        stored = value.const_value
        assert stored is not None  # it is an initializer
        array = self.to_float32(stored.numpy(), value.name)
        name = value.name or "constant"
        self.graph.initializers.pop(name)
        value.name = f"{name}_as_{OTHERS[stored.dtype]}"
        self.graph.register_initializer(value)  # for what computes with it before it meets data
        raised = ir.Value(
            name=name,
            type=ir.TensorType(ir.DataType.FLOAT),
            shape=ir.Shape(array.shape),
            const_value=ir.tensor(array, name=name),
        )
        self.graph.register_initializer(raised)
        return raised

    def cast(self, value: ir.Value, reader: ir.Node | None) -> ir.Value:
        node = ir.node("Cast", [value], {"to": int(ir.DataType.FLOAT)}, name=f"{value.name}_float32")
        result = node.outputs[0]
        result.name, result.shape, result.dtype = f"{value.name}_float32", value.shape, ir.DataType.FLOAT
        if value.is_graph_output():  # an output keeps its name
            result.name, value.name = value.name, result.name
        if reader is None:
            self.graph.append(node)
        else:
            self.graph.insert_before(reader, node)
        return result

    def to_float32(self, array: np.ndarray, name: str | None) -> np.ndarray:
        with np.errstate(over="ignore"):
            raised = array.astype(np.float32)
        beyond = np.isinf(raised) & np.isfinite(array.astype(np.float64))
        if beyond.any():
            raise CompileError(
                f"'{name}'",
                f"holds {array[beyond].flat[0]:.3g}, which is beyond float32",
                f"numbers up to {np.finfo(np.float32).max:.3g}",
                "make it smaller, or -inf or inf, and export the model again",
            )
        if array.dtype == np.float64:
            rounded = int(np.count_nonzero((raised != array) & ~np.isnan(array)))
            self.constants += array.size
            self.rounded += rounded
            if rounded:
                self.changes.append(Change(name or "constant", array.size, rounded))
        return raised
