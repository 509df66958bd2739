"""Do a .dsf and a source's graph belong together: names, shapes, what every node computes, every weight bit for bit.

Numbers cannot show all of it: random inputs may never reach the bound of a clip, and argmax has no ties to break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dsruntime.model import dimension_text, shape_text


@dataclass(frozen=True)
class WeightDifference:
    name: str
    elements: int
    different: int
    index: tuple[int, ...]  # the first element that differs
    found: float
    expected: float
    node: str
    op: str
    module: str


def mismatch(graph, source, path: str, source_name: str) -> str:
    """Why the .dsf cannot come from this source, or ""."""
    theirs = {value.name: value for value in source.graph.inputs}
    tensors = source.graph.initializers
    known = {value.name for node in source.graph for value in node.outputs} | set(theirs) | set(tensors)
    for entry in graph.inputs:
        value = graph.values[entry.value]
        if value.name not in theirs:
            return (
                f"{path} is another model: its input '{value.name}' is not among the inputs of {source_name} "
                f"({', '.join(theirs)})"
            )
        shape = [d if isinstance(d, int) else None for d in theirs[value.name].shape]
        if len(shape) != len(value.shape) or any(
            b is not None and a != b for a, b in zip(value.shape, shape, strict=True)
        ):
            there = "(" + ", ".join(str(d) for d in theirs[value.name].shape) + ")"
            return (
                f"input '{value.name}' is {shown(value.shape)} in {path}, {there} in {source_name}; give the same "
                "source, and the --input-shape and --no-dynamic-batch of the export"
            )
    for weight in graph.weights:
        value = graph.values[weight.value]
        tensor = source_tensor(graph, source, weight)
        if tensor is None:
            return f"{path} is another model: its weight '{value.name}' {shown(value.shape)} is not in {source_name}"
        if tensor.shape != value.shape:
            return (
                f"{path} is another model: its weight '{value.name}' is {shown(value.shape)}, in {source_name} it "
                f"is {shown(tensor.shape)}"
            )
    for output in graph.outputs:
        name = graph.values[output.value].name
        if name not in known:
            return f"{path} is another model: its output '{name}' is not in {source_name}"
    for node in graph.nodes:
        if not any(graph.values[i].name in known for i in node.outputs):
            return f"{path} is another model: its node '{node.name}' ({node.op}) is not in {source_name}"
    return ""


def differing_nodes(graph, source, lowered, path: str, source_name: str) -> str:
    """How the .dsf's nodes, inputs or outputs differ from what export makes of the source, or "".

    lowered: the source's nodes, from lower().
    """
    for what, ours, theirs in (
        ("inputs", graph.inputs, source.graph.inputs),
        ("outputs", graph.outputs, source.graph.outputs),
    ):
        names, expected = [graph.values[entry.value].name for entry in ours], [value.name for value in theirs]
        if names != expected:
            return f"the {what} of {path} are {', '.join(names)}, those of {source_name} {', '.join(expected)}"
    nodes = {names_of(node.outputs, graph): node for node in graph.nodes}
    for there in lowered:
        node = nodes.pop(tuple(value.name for value in there.outputs), None)
        if node is None:
            return f"{path} lacks the node '{there.name}' ({there.op}) of {source_name}"
        place = f"node '{node.name}' ({node.op}) of {path}"
        if node.op != there.op:
            return f"{place} is {there.op} in {source_name}"
        reads = tuple(None if value is None else value.name for value in there.inputs)
        if names_of(node.inputs, graph) != reads:
            return f"{place} reads {listed(names_of(node.inputs, graph))}, in {source_name} {listed(reads)}"
        for name in sorted({*node.attributes, *there.attributes}):
            found, expected = (stored(each.attributes.get(name)) for each in (node, there))
            if found != expected:
                return f"{place} has {name}={said(found)}, in {source_name} {said(expected)}"
    if nodes:
        extra = next(iter(nodes.values()))
        return f"{path} has a node '{extra.name}' ({extra.op}) that {source_name} has not"
    return ""


def names_of(indices, graph) -> tuple[str | None, ...]:
    return tuple(None if i is None else graph.values[i].name for i in indices)


def listed(names) -> str:
    return ", ".join("nothing" if name is None else f"'{name}'" for name in names)


def stored(value):
    """An attribute as a file holds it: floats in float32, lists as tuples."""
    if isinstance(value, (list, tuple)):
        return tuple(map(stored, value))
    return float(np.float32(value)) if isinstance(value, float) else value


def said(value) -> str:
    return "the default" if value is None else f"{list(value) if isinstance(value, tuple) else value!r}"


def source_tensor(graph, source, weight):
    """The source's tensor behind a weight, in the dtype of the file; None if there is none."""
    value = graph.values[weight.value]
    for name in (value.name, weight.source):
        found = source.graph.initializers.get(name)
        if found is not None and found.const_value is not None:
            return np.asarray(found.const_value.numpy()).astype(value.dtype, copy=False)
    return None


def shown(shape) -> str:
    return shape_text([dimension_text(d) for d in shape])


def different_weights(model, graph) -> Iterator[WeightDifference]:
    """Weights that do not decode to the source's tensor bit for bit; -0.0 counts as 0.0."""
    for i, weight in enumerate(model.graph.weights):
        name = model.graph.values[weight.value].name
        ours = model.decode_weight(i)
        theirs = source_tensor(model.graph, graph, weight)
        unequal = bits(ours) != bits(theirs)
        if unequal.any():
            index = tuple(int(k) for k in np.unravel_index(int(unequal.argmax()), unequal.shape))
            reader = next((node for node in model.graph.nodes if weight.value in node.inputs), None)
            yield WeightDifference(
                name,
                ours.size,
                int(unequal.sum()),
                index,
                ours[index].item(),
                theirs[index].item(),
                *((reader.name, reader.op, reader.module) if reader else ("", "", "")),
            )


def bits(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    return np.where(array == 0, array.dtype.type(0), array).reshape(array.shape).view(f"u{array.dtype.itemsize}")
