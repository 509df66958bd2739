"""Node after node: a .dsf's session that keeps its values, beside the oracle's values.

The values are compared in ranges of the topological order. A range whose values need more than BUDGET bytes is halved;
the first half decides before the second is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dscompress.verify import feeds as feeding
from dscompress.verify.bounds import BOUNDS, Step, bounds
from dscompress.verify.bounds.halves import VALUES, weight_delta
from dscompress.verify.feeds import batch_of, value_bytes
from dscompress.verify.matching import source_tensor
from dscompress.verify.measures import difference, largest, snr
from dscompress.verify.oracle import Oracle
from dsruntime.backends.runner import Arithmetic
from dsruntime.forms import Codes

FUSING = 16  # a fused session may be this many times further from the unfused one than that is from ONNX Runtime
FOLDING = 64  # and the graph after the passes from the graph before: folded weights are rounded, too


@dataclass(frozen=True)
class Layer:
    """One node: error is the largest absolute difference, ratio the largest difference in units of its bound."""

    node: str
    op: str
    module: str
    value: str
    error: float
    bound: float  # where the ratio is largest
    ratio: float
    snr: float  # dB; infinite: equal
    within: bool
    arithmetic: Arithmetic | None  # of the step that ran it; None: no step of its own did


class Comparison:
    """The .dsf's sessions beside the oracle."""

    def __init__(self, model, source, oracle: Oracle, session: dict) -> None:
        """session: the arguments of model.session(), for the sessions that are compared."""
        self._graph = model.graph
        self._source = source
        self._oracle = oracle
        self._names = [self._graph.values[output.value].name for output in self._graph.outputs]
        self._ordinary = model.session(**session)
        self._keeping = model.session(**session, keep_values=True, profile=True)
        self._weights = {weight.value: weight for weight in self._graph.weights}
        self.unchecked: list[str] = []

    def outputs(self, feeds, original: Oracle) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Name, the ordinary session's, the captured graph's: all samples one after another."""
        ours = together([as_list(self._ordinary.run(feed), self._names) for feed in feeds])
        theirs = together([original.outputs(feed) for feed in feeds])
        return list(zip(self._names, ours, theirs, strict=True))

    def apart(self, feeds, results) -> str:
        """Fusing kernels and folding the graph may round differently, no more.

        What rounding does to the outputs is measured: the same graph, node by node, here and in ONNX Runtime.
        """
        ours = together([as_list(self._keeping.run(feed), self._names) for feed in feeds])
        theirs = together([self._oracle.outputs(feed) for feed in feeds])
        for (name, fused, captured), plain, folded in zip(results, ours, theirs, strict=True):
            if plain.dtype.kind != "f":
                continue
            noise = largest(difference(plain, folded)) + float(np.spacing(largest(np.abs(folded[np.isfinite(folded)]))))
            pairs = (
                ("the ordinary session", fused, "one that runs node by node", plain, FUSING),
                ("the graph after the passes", folded, "the captured one", captured, FOLDING),
            )
            for first, a, second, b, factor in pairs:
                error = largest(difference(a, b))
                if not error <= factor * noise:
                    return (
                        f"output '{name}' of {first} is {error:.3g} away from {second}, where rounding explains "
                        f"{factor * noise:.3g}"
                    )
        return ""

    def layers(self, feeds, every_layer: bool, advance) -> Iterator[Layer]:
        """Every node in topological order; ends after the first one out of bounds, unless every_layer."""
        for feed in feeds:
            self._keeping.run(feed)
            batch = batch_of(self._graph, feed)
            for layer in self._range(0, len(self._graph.nodes), feed, batch, advance):
                yield layer
                if not layer.within and not every_layer:
                    return

    def _range(self, start: int, end: int, feed, batch: int, advance) -> Iterator[Layer]:
        touched = self._touched(start, end)
        if end - start > 1 and batch * sum(value_bytes(self._graph.values[i]) for i in touched) > feeding.BUDGET:
            middle = (start + end) // 2
            yield from self._range(start, middle, feed, batch, advance)
            yield from self._range(middle, end, feed, batch, advance)
            return
        names = [self._graph.values[i].name for i in touched]
        theirs = {**feed, **self._oracle.run(names, feed)}
        ours = self._keeping.values()
        arithmetics = self._arithmetics()
        for position in range(start, end):
            node = self._graph.nodes[position]
            advance(label=f"Comparing layer {position + 1} of {len(self._graph.nodes)}")
            layer = self._layer(node, ours, theirs, batch, arithmetics.get(node.name))
            if layer is not None:
                yield layer

    def _arithmetics(self) -> dict[str, Arithmetic]:
        """What each node's steps stated in the last run, by the node's name; nothing where they differ."""
        stated: dict[str, set[Arithmetic]] = {}
        for step in self._keeping.profile():
            if step.op in BOUNDS:
                stated.setdefault(step.node, set()).add(step.arithmetic)
        return {node: found.pop() for node, found in stated.items() if len(found) == 1}

    def _touched(self, start: int, end: int) -> list[int]:
        """Values that the nodes of a range read or write, without weights."""
        nodes = self._graph.nodes[start:end]
        every = dict.fromkeys(i for node in nodes for i in (*node.inputs, *node.outputs) if i is not None)
        return [i for i in every if i not in self._weights]

    def _layer(self, node, ours, theirs, batch: int, arithmetic: Arithmetic | None) -> Layer | None:
        values = self._graph.values
        involved = [i for i in (*node.inputs, *node.outputs) if i is not None and i not in self._weights]
        if node.op not in BOUNDS or any(values[i].name not in theirs for i in involved):
            if node.name not in self.unchecked:
                self.unchecked.append(node.name)
            return None
        inputs: list = []
        deltas: list = []
        for place, i in enumerate(node.inputs):
            if i is None:
                inputs.append(None)
                deltas.append(None)
            elif i in self._weights:
                inputs.append(self._source_weight(i))
                deltas.append(self._weight_delta(node.op, place, i, inputs[-1], arithmetic))
            else:
                inputs.append(theirs[values[i].name])
                deltas.append(difference(ours[values[i].name], inputs[-1]))
        outputs = [theirs[values[i].name] for i in node.outputs]
        step = Step(
            node._replace(inputs=tuple(range(len(inputs)))), inputs, deltas, outputs, batch, arithmetic or Arithmetic()
        )
        worst = None
        for i, y, bound in zip(node.outputs, outputs, bounds(step), strict=True):
            layer = compare(node, values[i].name, ours[values[i].name], y, bound, arithmetic)
            if worst is None or layer.ratio > worst.ratio:
                worst = layer
        return worst

    def _weight_delta(self, op: str, place: int, value: int, array: np.ndarray, arithmetic) -> np.ndarray:
        if arithmetic != VALUES:
            return np.zeros(array.shape)
        return weight_delta(op, place, array, isinstance(self._graph.form(self._weights[value]), Codes))

    def _source_weight(self, value: int):
        return source_tensor(self._graph, self._source, self._weights[value])


def compare(node, value: str, ours: np.ndarray, theirs: np.ndarray, bound, arithmetic) -> Layer:
    apart = difference(ours, theirs)
    with np.errstate(all="ignore"):
        ratio = np.where(apart == 0, 0, np.where(np.isinf(bound), 0, apart / bound))
    at = int(ratio.argmax()) if ratio.size else 0
    worst = float(ratio.reshape(-1)[at]) if ratio.size else 0.0
    allowed = float(np.broadcast_to(bound, ratio.shape).reshape(-1)[at]) if ratio.size else 0.0
    return Layer(
        node.name,
        node.op,
        node.module,
        value,
        largest(apart),
        allowed,
        worst,
        snr(apart, theirs),
        worst <= 1,
        arithmetic,
    )


def together(runs: list[list[np.ndarray]]) -> list[np.ndarray]:
    """The outputs of several runs, each output's rows one after another."""
    return [
        np.concatenate(parts) if len(parts) > 1 and parts[0].ndim else parts[0] for parts in zip(*runs, strict=True)
    ]


def as_list(result, names: list[str]) -> list[np.ndarray]:
    """What Session.run gave, in the order of the outputs."""
    return [result[name] for name in names] if isinstance(result, dict) else [result]
