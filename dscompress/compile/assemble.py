"""Assembling: the lowered nodes, the weights they read and what the user said become the description of a file.

Values stand in one order: inputs, weights as they are first read, results as they are computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from dscompress.compile.encode import Encoded, encode
from dscompress.compile.lower import LoweredNode
from dscompress.compile.lower.source import DTYPES, Unsupported, check_fits, dtype_name, shape_of
from dscompress.compile.meaning import meanings_of
from dscompress.compile.write import Description, Stored
from dscompress.errors import CompileError
from dscompress.names import storable
from dscompress.version import __version__
from dsruntime.file import Image, Input, Node, Output, Value
from dsruntime.forms import Codes

# Operators whose constant input is multiplied with data, and so may be a shift tensor: everything else stays raw.
MULTIPLIES = {"conv", "conv_transpose", "gemm", "mat_mul"}
READS_CHANNELS = {"conv", "conv_transpose", "max_pool", "average_pool", "batch_normalization"}


@dataclass(frozen=True)
class Labelling:
    """What the user or the source says about inputs and outputs.

    meanings: of the outputs, as the user gives them; told: of a single output, as the source knows it.
    """

    name: str
    image: Image | None = None
    labels: tuple[str, ...] = ()
    meanings: tuple[str, ...] = ()
    told: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assembled:
    description: Description
    tensors: list[np.ndarray]  # of each weight, as the graph has it
    readers: list[LoweredNode | None]  # the first node that multiplies with each weight


def assemble(model: ir.Model, nodes: list[LoweredNode], labelling: Labelling) -> Assembled:
    graph = model.graph
    weights = weights_in_order(graph, nodes)
    values = [*graph.inputs, *weights, *(value for node in nodes for value in node.outputs)]
    index = {value: i for i, value in enumerate(values)}
    readers = {weight: orders_of(weight, nodes) for weight in weights}
    tensors = [weight.const_value.numpy() for weight in weights]  # type: ignore[union-attr]
    stored = [
        Stored(index[weight], weight.name or "", encode_weight(tensor, [order for _, order in readers[weight]]))
        for weight, tensor in zip(weights, tensors, strict=True)
    ]
    description = Description(
        name=labelling.name,
        producer=f"dscompress {__version__}",
        values=[value_of(value) for value in values],
        nodes=[node_of(node, index) for node in nodes],
        weights=stored,
        inputs=inputs_of(graph, nodes, index, labelling),
        outputs=outputs_of(graph, nodes, index, labelling),
        metadata=labelling.metadata,
    )
    return Assembled(description, tensors, [readers[weight][0][0] if readers[weight] else None for weight in weights])


def weights_in_order(graph: ir.Graph, nodes: list[LoweredNode]) -> list[ir.Value]:
    read = [value for node in nodes for value in node.inputs if value is not None] + list(graph.outputs)
    return list(dict.fromkeys(value for value in read if value.is_initializer()))


def orders_of(weight: ir.Value, nodes: list[LoweredNode]) -> list[tuple[LoweredNode, tuple[int, ...]]]:
    """The nodes that multiply with a weight, each with the order that puts its output channels first."""
    found = []
    for node in nodes:
        if node.op not in MULTIPLIES:
            continue
        for place, value in enumerate(node.inputs[:2]):
            if value is weight and (order := order_of(node, place)) is not None:
                found.append((node, order))
    return found


def order_of(node: LoweredNode, place: int) -> tuple[int, ...] | None:
    """Output channels first, and for a convolution the input channels last: [outputs][kh][kw][inputs]."""
    rank = len(shape_of(node.inputs[place]))  # type: ignore[arg-type]
    last_first = (rank - 1, *range(rank - 1))
    match node.op, place:
        case "conv", 1:
            return (0, *range(2, rank), 1)
        case "conv_transpose", 1:
            return (*range(1, rank), 0)
        case "gemm", 0:
            return (1, 0) if node.attributes.get("trans_a") else (0, 1)
        case "gemm", 1:
            return (0, 1) if node.attributes.get("trans_b") else (1, 0)
        case "mat_mul", 0 if rank >= 2:
            return (rank - 2, *range(rank - 2), rank - 1)
        case "mat_mul", 1 if rank >= 2:
            return last_first
    return None


def encode_weight(tensor: np.ndarray, orders: list[tuple[int, ...]]) -> Encoded:
    """Stored once, in the first of the orders in which it is held as codes."""
    attempts = [encode(tensor, order) for order in dict.fromkeys(orders)] or [encode(tensor)]
    return next((attempt for attempt in attempts if isinstance(attempt.form, Codes)), attempts[0])


def value_of(value: ir.Value) -> Value:
    try:
        if value.is_initializer():
            dtype, shape = value.const_value.dtype, tuple(value.const_value.shape.numpy())  # type: ignore[union-attr]
        else:
            dtype, shape = value.dtype, shape_of(value)
        check_fits(shape, "it")
    except Unsupported as reason:
        raise CompileError(f"'{value.name}'", reason.why, what_to_do=reason.suggestion) from None
    if dtype not in DTYPES:
        known = ", ".join(DTYPES.values())
        raise CompileError(f"'{value.name}'", f"its dtype is {dtype_name(dtype)}", known, "export the model in float32")
    return Value(value.name or "", DTYPES[dtype], shape)


def node_of(node: LoweredNode, index: dict[ir.Value, int]) -> Node:
    inputs = tuple(None if value is None else index[value] for value in node.inputs)
    outputs = tuple(index[value] for value in node.outputs)
    return Node(node.op, storable(node.name), storable(node.module), inputs, outputs, node.attributes)


def inputs_of(graph: ir.Graph, nodes: list[LoweredNode], index: dict, labelling: Labelling) -> list[Input]:
    image_input = None
    if labelling.image is not None:
        image_input = check_image(graph, labelling.image)
    found = []
    for value in graph.inputs:
        channels = any(node.op in READS_CHANNELS and node.inputs[0] is value for node in nodes)
        image = labelling.image if value is image_input else None
        layout = "NCHW" if len(shape_of(value)) == 4 and (channels or image) else ""
        found.append(Input(index[value], layout, image))
    return found


def check_image(graph: ir.Graph, image: Image) -> ir.Value:
    """The input that a recipe is for, if what the recipe makes fits into it."""
    from dsruntime.image import COLORS, made_size

    candidates = [value for value in graph.inputs if value.dtype == ir.DataType.FLOAT and len(shape_of(value)) == 4]
    if len(candidates) != 1:
        raise CompileError(
            "preprocess", f"the model has {len(candidates)} float32 inputs of 4 dimensions", "one", "leave it out"
        )
    _, channels, height, width = shape_of(candidates[0])
    where = f"preprocess for input '{candidates[0].name}'"
    if COLORS[image.color] != channels:
        plural = "" if COLORS[image.color] == 1 else "s"
        raise CompileError(where, f"{image.color} has {COLORS[image.color]} channel{plural}, the input {channels}")
    made = made_size(image)
    if made is not None and tuple(made) != (height, width):
        raise CompileError(
            where,
            f"it makes {made[0]} x {made[1]} pixels, the input takes {height} x {width}",
            what_to_do="give a recipe of the input's size as a JSON file",
        )
    return candidates[0]


def outputs_of(graph: ir.Graph, nodes: list[LoweredNode], index: dict, labelling: Labelling) -> list[Output]:
    meanings = meanings_of(graph.outputs, nodes, labelling.meanings, labelling.told)
    found = [Output(index[value], meaning, ()) for value, meaning in zip(graph.outputs, meanings, strict=True)]
    if not labelling.labels:
        return found
    shape = shape_of(graph.outputs[0])
    if not shape or shape[-1] != len(labelling.labels):
        last = shape[-1] if shape else 1
        count = "1 label" if len(labelling.labels) == 1 else f"{len(labelling.labels)} labels"
        raise CompileError(
            "labels",
            f"{count} for output '{graph.outputs[0].name}'",
            f"{last}, one a class",
            "give one name for each class, in the order of the model's output",
        )
    if found[0].meaning == "embedding":
        raise CompileError(
            "labels",
            f"names of classes for output '{graph.outputs[0].name}', an embedding",
            "none",
            "leave --labels or --meaning out",
        )
    found[0] = found[0]._replace(labels=labelling.labels)
    return found
