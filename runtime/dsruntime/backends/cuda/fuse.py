"""Which nodes become one step.

    product   conv, conv_transpose, gemm, mat_mul (+ add of a constant row: its bias) (+ add of an equal shape: a
              residual) (+ relu or clip)
    pointwise add, sub, mul, div, pow, prelu, batch_normalization (+ relu or clip)
    mat_mul   of two activations (+ mul by a constant number): attention's scores
    silu      sigmoid and mul by its own input

Only where nobody else reads what lies between. A group runs where its last node stood, so that the residual is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod

from dsruntime.file import Node

PRODUCTS = ("conv", "conv_transpose", "gemm", "mat_mul")
POINTWISE = ("add", "sub", "mul", "div", "pow", "prelu", "batch_normalization")


@dataclass
class Group:
    """nodes: the first one computes. bias, residual, factor: values. low, high: what the result is clipped to."""

    nodes: list[Node]
    outputs: tuple[int, ...]
    bias: int | None = None
    residual: int | None = None
    factor: int | None = None
    low: float = -inf
    high: float = inf
    clips: bool = False
    op: str = ""
    order: int = field(default=0, compare=False)

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def name(self) -> str:
        """conv+add+relu"""
        return "+".join(node.op for node in self.nodes)


def groups_of(graph, shapes, fuse: bool = True) -> list[Group]:
    """In the order in which they run. shapes: of every value at the plan's batch size."""
    fusion = Fusion(graph, shapes)
    for position, node in enumerate(graph.nodes):
        fusion.add(position, node, fuse)
    return sorted(fusion.groups, key=lambda group: group.order)


class Fusion:
    def __init__(self, graph, shapes) -> None:
        self.shapes = shapes
        self.groups: list[Group] = []
        self.maker: dict[int, Group] = {}  # by value: the group whose last node makes it
        self.weights = {weight.value for weight in graph.weights}
        self.readers = [0] * len(graph.values)
        for node in graph.nodes:
            for value in node.inputs:
                if value is not None:
                    self.readers[value] += 1
        for output in graph.outputs:
            self.readers[output.value] += 1

    def add(self, position: int, node: Node, fuse: bool) -> None:
        group = self.joined(node) if fuse else None
        if group is None:
            group = Group([node], node.outputs, op=node.op)
            self.groups.append(group)
        else:
            group.nodes.append(node)
            group.outputs = node.outputs
        group.order = position
        for value in node.outputs:
            self.maker[value] = group

    def joined(self, node: Node) -> Group | None:
        """The group that this node goes on, told what it adds."""
        if node.op in ("relu", "clip"):
            return self.clip(node)
        if node.op == "add":
            return self.bias(node) or self.residual(node)
        if node.op == "mul":
            return self.silu(node) or self.scale(node)
        return None

    def open_group(self, value, ops) -> Group | None:
        """The group that makes a value which nobody else reads, if more may join it."""
        group = self.maker.get(value)
        if group is None or self.readers[value] != 1 or group.clips or group.op not in ops or len(group.outputs) > 1:
            return None
        return group

    def clip(self, node: Node) -> Group | None:
        group = self.open_group(node.inputs[0], PRODUCTS + POINTWISE)
        if group is None:
            return None
        ends = node.attributes if node.op == "clip" else {"min": 0.0}
        group.low, group.high, group.clips = ends.get("min", -inf), ends.get("max", inf), True
        return group

    def bias(self, node: Node) -> Group | None:
        for value, other in (node.inputs, node.inputs[::-1]):
            group = self.open_group(value, ("mat_mul",))
            if group is None or group.bias is not None or group.residual is not None or other not in self.weights:
                continue
            row = self.shapes[value][-1:]
            if (
                group.node.inputs[1] in self.weights
                and self.shapes[other] == row
                and self.shapes[node.outputs[0]] == self.shapes[value]
            ):
                group.bias = other
                return group
        return None

    def residual(self, node: Node) -> Group | None:
        """Of two that could compute, the later one: the other is finished by then anyway."""
        best = None
        for value, other in (node.inputs, node.inputs[::-1]):
            group = self.open_group(value, PRODUCTS)
            if group is None or group.residual is not None or other in self.weights or not self.takes_residual(group):
                continue
            if self.shapes[value] == self.shapes[other] and (best is None or group.order > best[0].order):
                best = group, other
        if best is None:
            return None
        best[0].residual = best[1]
        return best[0]

    def takes_residual(self, group: Group) -> bool:
        """A product of two activations has no epilogue."""
        return group.node.inputs[1] in self.weights

    def scale(self, node: Node) -> Group | None:
        for value, other in (node.inputs, node.inputs[::-1]):
            group = self.open_group(value, ("mat_mul",))
            if group is None or group.factor is not None or self.takes_residual(group) or other not in self.weights:
                continue
            if prod(self.shapes[other]) == 1 and self.shapes[node.outputs[0]] == self.shapes[value]:
                group.factor = other
                return group
        return None

    def silu(self, node: Node) -> Group | None:
        for value, other in (node.inputs, node.inputs[::-1]):
            group = self.open_group(value, ("sigmoid",))
            if group is not None and group.node.inputs[0] == other:
                group.op = "silu"
                return group
        return None
