"""fusion: which nodes become one step, where nobody else reads what lies between.

    a node joins the step before it as    its bias       add of a constant row
                                          its residual   add of another value of the same shape
                                          its factor     mul by a constant number
                                          its gate       mul by what the step computes from: f(x) * x
                                          its clip       relu or clip; nothing joins after it

JOINS says what an op may join as, whoever computes; what a step takes, its planner says in a table (Takes). A step runs
where its last node stood, so that the residual is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import inf, prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsruntime.file import Graph, Node


class Join(Enum):
    BIAS = auto()
    RESIDUAL = auto()
    FACTOR = auto()
    GATE = auto()
    CLIP = auto()


# By op: its lower and upper end, from its attributes.
CLIPS: dict[str, Callable[[dict[str, Any]], tuple[float, float]]] = {
    "relu": lambda a: (0.0, inf),
    "clip": lambda a: (a.get("min", -inf), a.get("max", inf)),
}
# By op: what it may join as, tried in this order.
JOINS = {"add": (Join.BIAS, Join.RESIDUAL), "mul": (Join.GATE, Join.FACTOR), **dict.fromkeys(CLIPS, (Join.CLIP,))}


@dataclass(frozen=True)
class Takes:
    """What may join a step, by the op of its first node: where that one's second input is a weight, and elsewhere."""

    of_weight: frozenset[Join]
    otherwise: frozenset[Join]


@dataclass
class Group:
    """Nodes that are one step; the first one computes.

    order: the place of the last node in the graph. bias, residual, factor: values. low, high: what the result is
    clipped to. closed: nothing joins any more.
    """

    nodes: list[Node]
    outputs: tuple[int, ...]
    order: int
    bias: int | None = None
    residual: int | None = None
    factor: int | None = None
    gated: bool = False
    low: float = -inf
    high: float = inf
    closed: bool = False

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def operands(self) -> tuple[int, ...]:
        """What the first node reads; the inputs that an op must have come first."""
        return tuple(value for value in self.node.inputs if value is not None)

    @property
    def name(self) -> str:
        """conv+add+relu"""
        return "+".join(node.op for node in self.nodes)

    def take(self, join: Join, node: Node, other: int | None) -> None:
        """node, whose other input is `other`, goes into the step."""
        match join:
            case Join.BIAS:
                self.bias = other
            case Join.RESIDUAL:
                self.residual = other
            case Join.FACTOR:
                self.factor = other
            case Join.GATE:
                self.gated = self.closed = True
            case Join.CLIP:
                (self.low, self.high), self.closed = CLIPS[node.op](node.attributes), True


def groups_of(graph: Graph, shapes: Sequence[tuple[int, ...]], takes: Mapping[str, Takes]) -> list[Group]:
    """In the order in which they run. shapes: of every value at the plan's batch size."""
    fusion = Fusion(graph, shapes, takes)
    for position, node in enumerate(graph.nodes):
        fusion.add(position, node)
    return sorted(fusion.groups, key=lambda group: group.order)


class Fusion:
    def __init__(self, graph: Graph, shapes: Sequence[tuple[int, ...]], takes: Mapping[str, Takes]) -> None:
        self.shapes, self.takes = shapes, takes
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

    def add(self, position: int, node: Node) -> None:
        group = self.joined(node)
        if group is None:
            group = Group([node], node.outputs, position)
            self.groups.append(group)
        else:
            group.nodes.append(node)
            group.outputs, group.order = node.outputs, position
        for value in node.outputs:
            self.maker[value] = group

    def joined(self, node: Node) -> Group | None:
        """The group that this node goes on, told what it adds.

        Of two that could go on, the later one: the other is finished by then anyway.
        """
        first, second = (*node.inputs, None, None)[:2]
        for join in JOINS.get(node.op, ()):
            fitting = [
                (group, other)
                for value, other in ((first, second), (second, first))
                if (group := self.open_group(value, join)) and self.fits(join, group, node, value, other)
            ]
            if fitting:
                group, other = max(fitting, key=lambda found: found[0].order)
                group.take(join, node, other)
                return group
        return None

    def open_group(self, value: int | None, join: Join) -> Group | None:
        """The group that makes a value which nobody else reads, if it takes this."""
        group = None if value is None else self.maker.get(value)
        if group is None or value is None or self.readers[value] != 1 or group.closed or len(group.outputs) > 1:
            return None
        return group if join in self.taken_by(group.node) else None

    def taken_by(self, node: Node) -> frozenset[Join]:
        row = self.takes.get(node.op)
        if row is None:
            return frozenset()
        return row.of_weight if any(value in self.weights for value in node.inputs[1:2]) else row.otherwise

    def fits(self, join: Join, group: Group, node: Node, value: int | None, other: int | None) -> bool:
        """value: what the group makes; other: what the node reads besides."""
        if join is Join.CLIP:
            return True
        if value is None or other is None:
            return False
        if join is Join.GATE:
            return group.node.inputs[0] == other
        mine, its, result = (self.shapes[index] for index in (value, other, node.outputs[0]))
        if join is Join.RESIDUAL:
            return group.residual is None and other not in self.weights and its == mine
        if other not in self.weights or result != mine:
            return False
        if join is Join.FACTOR:
            return group.factor is None and prod(its) == 1
        return group.bias is None and group.residual is None and its == mine[-1:]
