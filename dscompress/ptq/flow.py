"""Flow: all calibration inputs go through the network together, one operator at a time.

Every value is a list of chunks, and each chunk a pair: what the float network has there and what the network has that
is quantised so far. Until the first quantised layer both are one tensor. So when a layer's turn comes, its true inputs
are at hand, in one pass. A chunk is freed when its last reader is done: memory holds the values that are alive, for all
inputs, twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from dscompress.ptq.network import Network


@dataclass
class Pair:
    """One chunk of one value: tensors [batch, ...], or what else an operator gives."""

    float: Any
    quantised: Any


Visit = Callable[["Flow", fx.Node], None]


class Flow:
    """run() calls visit[node](flow, node) before an operator runs, and after[node] when all of its chunks are there."""

    def __init__(self, network: Network, chunks: list[list[torch.Tensor]]) -> None:
        self.network = network
        self.changed: dict[str, torch.Tensor] = {}  # what differs in the quantised network, by name
        self.values: dict[fx.Node, list[Pair]] = {}
        self.inputs = chunks
        self.before: dict[fx.Node, Visit] = {}
        self.after: dict[fx.Node, Visit] = {}

    @torch.no_grad()
    def run(self) -> list[Pair]:
        """The outputs, chunk by chunk."""
        nodes = list(self.network.graph.nodes)
        last = last_readers(nodes)
        placeholders = [node for node in nodes if node.op == "placeholder"]
        for node in nodes:
            if node.op == "placeholder":
                at = placeholders.index(node)
                self.values[node] = [Pair(chunk[at], chunk[at]) for chunk in self.inputs]
            elif node.op == "call_function":
                if node in self.before:
                    self.before[node](self, node)
                self.call(node, last.get(node, []))
                if node in self.after:
                    self.after[node](self, node)
            elif node.op == "output":
                return [self.result(node, chunk) for chunk in range(len(self.inputs))]
        raise AssertionError("a graph without an output")

    def call(self, node: fx.Node, ending: list[fx.Node]) -> None:
        results = self.values[node] = []
        for chunk in range(len(self.inputs)):
            results.append(self.evaluate(node, chunk))
            for source in ending:
                self.values[source][chunk] = None  # type: ignore[call-overload]
        for source in ending:
            del self.values[source]

    def evaluate(self, node: fx.Node, chunk: int) -> Pair:
        (plain, plain_names), (other, other_names) = self.arguments(node, chunk)
        operator: Any = node.target
        result = operator(*plain, **plain_names)
        if same((plain, plain_names), (other, other_names)):
            return Pair(result, result)
        return Pair(result, operator(*other, **other_names))

    def arguments(self, node: fx.Node, chunk: int) -> tuple[tuple, tuple]:
        """(args, kwargs) for the float network and for the quantised one."""
        return self.both((node.args, node.kwargs), chunk)

    def value(self, node: fx.Node, chunk: int, quantised: bool) -> Any:
        if node.op == "get_attr":
            name = str(node.target)
            return self.changed.get(name, self.network.state.get(name)) if quantised else self.network.state.get(name)
        pair = self.values[node][chunk]
        return pair.quantised if quantised else pair.float

    def result(self, node: fx.Node, chunk: int) -> Pair:
        return Pair(*self.both(node.args[0], chunk))

    def both(self, arguments: Any, chunk: int) -> tuple[Any, Any]:
        """What holds nodes, with their values in their places: of the float network and of the quantised one."""
        plain = fx.map_arg(arguments, lambda source: self.value(source, chunk, False))
        return plain, fx.map_arg(arguments, lambda source: self.value(source, chunk, True))


def same(a: Any, b: Any) -> bool:
    """Whether both sides hold the very same tensors."""
    if isinstance(a, (tuple, list)):
        return all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return all(same(a[key], b[key]) for key in a)
    return a is b or (not isinstance(a, torch.Tensor) and a == b)


def last_readers(nodes: list[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """For each operator the values that nobody reads after it; a value that nobody reads ends where it is made."""
    order = {node: i for i, node in enumerate(nodes)}
    ending: dict[fx.Node, list[fx.Node]] = {}
    for node in nodes:
        if node.op in ("placeholder", "call_function") and node.users:
            reader = max(node.users, key=order.__getitem__)
            if reader.op != "output":
                ending.setdefault(reader, []).append(node)
    return ending
