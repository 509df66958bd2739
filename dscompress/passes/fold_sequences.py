"""fold_sequences: sequences and branches that need not be there become plain operators.

    before   SequenceAt(SplitToSequence(x, 2, axis), 1) , y = If(constant) {z = Neg(x)}
    after    Split(x, [2, 2]), second output            , y = Identity(z), z = Neg(x)

The graph is walked as infer_shapes walks it, with two batch sizes, so that a condition or a position that is computed
from fixed sizes is known. A sequence is the list of its values. What a branch leaves out is dropped.

Left alone: sequences and branches that depend on the input or on the batch size, and loops; lower refuses them by
name. Their bodies are dropped, so that no later pass meets a graph inside a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, NameFixPass

from dscompress.passes import batch
from dscompress.passes.infer_shapes import Facts, learn_node, start, type_of

MOST_PARTS = 1 << 10  # of a sequence
PICKS = {"Gather", "Shape", "Size", "Slice", "Split"}  # they may leave out what depends on the batch size


class FoldSequences(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if not any((node.op_type in REWRITES and node.op_type != "Identity") or bodies(node) for node in model.graph):
            return ir.passes.PassResult(model, modified=False)
        walk = Walk(model)
        for node in model.graph:  # what a branch puts in is met next
            rewrite = REWRITES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
            new = rewrite(walk, node) if rewrite else None
            if new is None:
                walk.learn(node)
            else:
                made = outputs(new, node)
                ir.convenience.replace_nodes_and_values(model.graph, node, [node], new, node.outputs, made)
        for node in model.graph:
            drop_bodies(node)
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        NameFixPass()(model)
        return ir.passes.PassResult(model, modified=True)


def outputs(new: Sequence[ir.Node], node: ir.Node) -> list[ir.Value]:
    """The last nodes make what the replaced node made, one output each."""
    return [last.outputs[0] for last in new[len(new) - len(node.outputs) :]]


def bodies(node: ir.Node) -> list[ir.Graph]:
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found.extend(attribute.as_graphs())
    return found


def drop_bodies(node: ir.Node) -> None:
    for graph in bodies(node):
        for inner in graph.all_nodes():
            for place in range(len(inner.inputs)):
                inner.replace_input_with(place, None)
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    for name in [name for name, attribute in node.attributes.items() if attribute.type in kinds]:
        node.attributes.pop(name)


class Walk:
    """What is known of the values up to a node: with each batch size, and of sequences."""

    def __init__(self, model: ir.Model) -> None:
        self.graph = model.graph
        self.facts: list[Facts] = [start(model, size) for size in batch.BATCHES]
        self.sequences: dict[ir.Value, list[ir.Value]] = {}
        self.fixed: set[ir.Value] = set()  # the same array whatever the batch size
        self.chance: set[ir.Value] = set()  # the same with both, perhaps not with a third: 7 and 11 are both above 4

    def learn(self, node: ir.Node) -> None:
        if bodies(node):
            return
        for facts in self.facts:
            learn_node(facts, node)
        read = [value for value in node.inputs if value is not None]
        if node.op_type in PICKS:
            fixed = not any(value in self.chance for value in read)
        else:
            fixed = all(value in self.fixed or value.is_initializer() for value in read)
        (self.fixed if fixed else self.chance).update(value for value in node.outputs if self.same(value))

    def constant(self, value: ir.Value | None) -> np.ndarray | None:
        """The array that a value is whatever the batch size."""
        known = value is not None and (value in self.fixed or value.is_initializer())
        return self.facts[0].constant(value) if known else None  # type: ignore[arg-type]

    def same(self, value: ir.Value) -> bool:
        first, second = (facts.constant(value) for facts in self.facts)
        if first is None or second is None:
            return False
        return first.shape == second.shape and first.tobytes() == second.tobytes()

    def length(self, value: ir.Value | None, axis: int) -> int | None:
        """Of one dimension, where it is the same with both batch sizes."""
        shapes = [type_of(facts, value)[1] for facts in self.facts]
        lengths = {None if shape is None or not -len(shape) <= axis < len(shape) else shape[axis] for shape in shapes}
        return lengths.pop() if len(lengths) == 1 else None

    def initializer(self, array: np.ndarray, name: str) -> ir.Value:
        taken = self.graph.initializers
        name = next(name for count in range(len(taken) + 1) if (name := f"{name}_{count}") not in taken)
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.from_numpy(array.dtype))
        self.graph.register_initializer(value)
        return value

    def put_before(self, node: ir.Node, new: Sequence[ir.Node]) -> None:
        self.graph.insert_before(node, new)
        for inserted in new:
            self.learn(inserted)


def if_(walk: Walk, node: ir.Node) -> list[ir.Node] | None:
    condition = walk.constant(node.inputs[0])
    if condition is None or condition.size != 1:
        return None
    attribute = node.attributes.get("then_branch" if condition.item() else "else_branch")
    if attribute is None or attribute.type != ir.AttributeType.GRAPH:
        return None
    branch = attribute.as_graph()
    made = list(branch.outputs)
    if len(made) != len(node.outputs) or len(branch.inputs) > 0:
        return None
    branch.outputs.clear()
    inner = list(branch)
    branch.remove(inner)
    for name in list(branch.initializers):  # those that the branch hands out
        value = branch.initializers.pop(name)
        value.name = own = str(walk.initializer(np.zeros(0, np.float32), name).name)
        walk.graph.initializers.pop(own)
        walk.graph.register_initializer(value)
    return inner + [identity(value, node) for value in made]


def identity(value: ir.Value, node: ir.Node) -> ir.Node:
    return ir.node("Identity", [value], metadata_props=dict(node.metadata_props))


def pass_on(walk: Walk, node: ir.Node) -> None:
    if node.inputs[0] in walk.sequences:
        walk.sequences[node.outputs[0]] = walk.sequences[node.inputs[0]]


def split_to_sequence(walk: Walk, node: ir.Node) -> None:
    axis, split = node.attributes.get_int("axis", 0), node.inputs[1] if len(node.inputs) > 1 else None
    length, given = walk.length(node.inputs[0], axis), walk.constant(split)
    if length is None or (split is not None and given is None):
        return
    if given is None or given.ndim == 0:
        size = 1 if given is None else int(given)
        if size < 1 or not 0 < -(-length // size) <= MOST_PARTS:
            return
        sizes = [min(size, length - at) for at in range(0, length, size)]
    else:
        sizes = given.tolist()
        if not 0 < len(sizes) <= MOST_PARTS:
            return
    name = node.outputs[0].name
    lengths = walk.initializer(np.array(sizes, np.int64), f"{name}_sizes")
    parts = ir.node("Split", [node.inputs[0], lengths], {"axis": axis}, num_outputs=len(sizes), name=node.name)
    for index, value in enumerate(parts.outputs):
        value.name = f"{name}_{index}"
    walk.put_before(node, [parts])
    values = list(parts.outputs)
    if split is None and not node.attributes.get_int("keepdims", 1):
        axes = walk.initializer(np.array([axis], np.int64), f"{name}_axis")
        squeezed = [ir.node("Squeeze", [value, axes]) for value in values]
        for value, squeeze in zip(values, squeezed, strict=True):
            squeeze.outputs[0].name = f"{value.name}_squeezed"
        walk.put_before(node, squeezed)
        values = [squeeze.outputs[0] for squeeze in squeezed]
    walk.sequences[node.outputs[0]] = values


def sequence_construct(walk: Walk, node: ir.Node) -> None:
    values = [value for value in node.inputs if value is not None]
    if len(values) <= MOST_PARTS:
        walk.sequences[node.outputs[0]] = values


def sequence_insert(walk: Walk, node: ir.Node) -> None:
    values, place = walk.sequences.get(node.inputs[0]), position(walk, node, 2)  # type: ignore[arg-type]
    if values is None or node.inputs[1] is None or place is None or len(values) >= MOST_PARTS:
        return
    place = len(values) if place == "last" else place
    if -len(values) <= place <= len(values):
        place += len(values) if place < 0 else 0
        walk.sequences[node.outputs[0]] = [*values[:place], node.inputs[1], *values[place:]]


def sequence_erase(walk: Walk, node: ir.Node) -> None:
    values, place = walk.sequences.get(node.inputs[0]), position(walk, node, 1)  # type: ignore[arg-type]
    if values is None or place is None:
        return
    place = -1 if place == "last" else place
    if -len(values) <= place < len(values):
        walk.sequences[node.outputs[0]] = [value for at, value in enumerate(values) if at != place % len(values)]


def position(walk: Walk, node: ir.Node, index: int):
    """An input that says a place in a sequence: a number, "last" where it is absent, None where it is unknown."""
    if len(node.inputs) <= index or node.inputs[index] is None:
        return "last"
    array = walk.constant(node.inputs[index])
    return int(array.item()) if array is not None and array.size == 1 else None


def sequence_at(walk: Walk, node: ir.Node) -> list[ir.Node] | None:
    values, place = walk.sequences.get(node.inputs[0]), position(walk, node, 1)  # type: ignore[arg-type]
    if values is None or not isinstance(place, int) or not -len(values) <= place < len(values):
        return None
    return [identity(values[place], node)]


def sequence_length(walk: Walk, node: ir.Node) -> list[ir.Node] | None:
    values = walk.sequences.get(node.inputs[0])  # type: ignore[arg-type]
    if values is None:
        return None
    return [identity(walk.initializer(np.array(len(values), np.int64), f"{node.outputs[0].name}_length"), node)]


def concat_from_sequence(walk: Walk, node: ir.Node) -> list[ir.Node] | None:
    values = walk.sequences.get(node.inputs[0])  # type: ignore[arg-type]
    if not values:
        return None
    axis, new = node.attributes.get_int("axis", 0), []
    if node.attributes.get_int("new_axis", 0):
        axes = walk.initializer(np.array([axis], np.int64), f"{node.outputs[0].name}_axis")
        new = [ir.node("Unsqueeze", [value, axes]) for value in values]
        for value, unsqueeze in zip(values, new, strict=True):
            unsqueeze.outputs[0].name = f"{value.name}_unsqueezed"
        values = [unsqueeze.outputs[0] for unsqueeze in new]
    return [*new, ir.node("Concat", values, {"axis": axis}, metadata_props=dict(node.metadata_props))]


def cast_like(walk: Walk, node: ir.Node) -> list[ir.Node] | None:
    dtype = type_of(walk.facts[0], node.inputs[1])[0]
    if dtype is None or dtype == ir.DataType.UNDEFINED:
        return None
    return [ir.node("Cast", [node.inputs[0]], {"to": int(dtype)}, metadata_props=dict(node.metadata_props))]


# Each gives the nodes that stand for a node, in order, or None where it stays.
REWRITES: dict[str, Callable[[Walk, ir.Node], list[ir.Node] | None]] = {
    "CastLike": cast_like,
    "ConcatFromSequence": concat_from_sequence,
    "Identity": pass_on,
    "If": if_,
    "SequenceAt": sequence_at,
    "SequenceConstruct": sequence_construct,
    "SequenceEmpty": sequence_construct,
    "SequenceErase": sequence_erase,
    "SequenceInsert": sequence_insert,
    "SequenceLength": sequence_length,
    "SplitToSequence": split_to_sequence,
}
