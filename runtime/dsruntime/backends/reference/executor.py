"""Runs a graph in NumPy, node after node, as it stands in the file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dsruntime.backends.reference.ops import OPS
from dsruntime.errors import Cancelled, DsError, ModelError
from dsruntime.file import Graph, Node, at_batch
from dsruntime.plan.lives import last_uses

# Attributes that hold dimensions: -k in the file is k * N.
DIMENSIONS = {"reshape": "shape", "expand": "shape", "constant_of_shape": "shape", "resize": "sizes"}


def execute(
    graph: Graph,
    weights: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    batch: int = 1,
    keep: bool = True,
    seconds: list[float] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Any]:
    """Every value of the graph, in order; None for one that nothing reads any more, unless `keep`.

    weights and inputs are arrays in the order of the graph's; batch is N. A list given as `seconds` gets one number per
    node: how long it took. cancelled() is asked before each node; if it says so, Cancelled is raised.
    """
    values: list[Any] = [None] * len(graph.values)
    for weight, array in zip(graph.weights, weights, strict=True):
        values[weight.value] = array
    for entry, array in zip(graph.inputs, inputs, strict=True):
        values[entry.value] = array
    spare = [] if keep else last_uses(graph)
    with np.errstate(all="ignore"):
        for position, node in enumerate(graph.nodes):
            if cancelled():
                raise Cancelled("run", "it was cancelled", "a run that goes on to its end", "run it again")
            started = time.perf_counter()
            for index, array in zip(node.outputs, run_node(node, values, batch), strict=True):
                expect_declared(graph, node, index, array, batch)
                values[index] = np.ascontiguousarray(array).reshape(array.shape)
            if seconds is not None:
                seconds.append(time.perf_counter() - started)
            for index in spare[position] if spare else ():
                values[index] = None
    return values


def run_node(node: Node, values: Sequence[Any], batch: int) -> Sequence[np.ndarray]:
    attributes = dict(node.attributes)
    if node.op in DIMENSIONS:
        field = DIMENSIONS[node.op]
        attributes[field] = list(at_batch(attributes[field], batch))
    inputs = [None if index is None else values[index] for index in node.inputs]
    try:
        result = OPS[node.op](*inputs, **attributes)
    except DsError as error:
        where = f"node {node.name!r} ({node.op})"
        raise type(error)(where, error.found, error.expected, error.what_to_do) from None
    return result if isinstance(result, (tuple, list)) else (result,)


def expect_declared(graph: Graph, node: Node, index: int, array: np.ndarray, batch: int) -> None:
    """A file is checked at two batch sizes; at others a result may turn out not to be what it declares."""
    value = graph.values[index]
    shape = at_batch(value.shape, batch)
    if array.shape != shape or array.dtype != value.dtype:
        raise ModelError(
            f"node {node.name!r} ({node.op})",
            f"value {value.name!r} is declared as {value.dtype} {shape} at batch size {batch}",
            f"{array.dtype} {array.shape}",
        )


def bytes_at_a_time(graph: Graph, batch: int, keep: bool) -> int:
    """The most bytes of values, weights apart, that execute() holds at once."""
    sizes = [math.prod(at_batch(value.shape, batch)) * np.dtype(value.dtype).itemsize for value in graph.values]
    held = most = sum(sizes[entry.value] for entry in graph.inputs)
    spare: list[list[int]] = [[] for _ in graph.nodes] if keep else last_uses(graph)
    for node, gone in zip(graph.nodes, spare, strict=True):
        held += sum(sizes[index] for index in node.outputs)
        most = max(most, held)
        held -= sum(sizes[index] for index in gone)
    return most
