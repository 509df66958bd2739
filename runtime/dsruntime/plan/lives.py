"""lives: between which steps a buffer or a value is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsruntime.file import Graph

BEFORE, ALWAYS = -1, 2**31 - 1  # as first and last step: when inputs are brought in; at the end and later


@dataclass
class Buffer:
    """bytes; first and last: the steps between which they are needed; offset: where place() of arena.py puts them."""

    bytes: int
    first: int
    last: int
    offset: int = 0

    def use(self, step: int) -> None:
        """It is needed until this step, too."""
        self.last = max(self.last, step)

    def overlaps(self, other: Buffer) -> bool:
        """Whether there is a step at which both are needed."""
        return self.first <= other.last and other.first <= self.last


def last_uses(graph: Graph) -> list[list[int]]:
    """For each node, the values that only it and nodes before it read; neither weights nor outputs."""
    last: dict[int | None, int] = {}
    for position, node in enumerate(graph.nodes):
        for index in (*node.inputs, *node.outputs):
            last[index] = position
    kept = {None, *(output.value for output in graph.outputs), *(weight.value for weight in graph.weights)}
    spare: list[list[int]] = [[] for _ in graph.nodes]
    for value, position in last.items():
        if value is not None and value not in kept:
            spare[position].append(value)
    return spare
