"""run: a network and its calibration inputs, in one pass; every layer is rounded when its turn comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from dscompress.compile.write import round_up
from dscompress.errors import CompileError
from dscompress.ptq.corrections import corrected_statistics, moments
from dscompress.ptq.flow import Flow, Pair, Visit
from dscompress.ptq.inputs import Calibration
from dscompress.ptq.layers import Layer
from dscompress.ptq.network import Network, name_of_source, source_of
from dscompress.ptq.report import Agreement, ConversionReport, ConvertedLayer
from dscompress.ptq.solve import Solution, solve
from dscompress.ptq.statistics import Statistics, rows_wanted
from dsruntime.planes import planes_length

NEEDS_INPUTS = {"scale", "compensate", "drift"}
SEED = 0  # of the positions that are looked at


class Run:
    """changed: the tensors that differ from the network's own afterwards, by name."""

    def __init__(
        self,
        network: Network,
        calibration: Calibration,
        bits: dict[str, int | None],
        ingredients: frozenset[str],
        where: str,
        advance: Callable[..., None] = lambda count=1, label=None: None,
    ) -> None:
        self.network, self.calibration, self.where, self.advance = network, calibration, where, advance
        self.bits, self.ingredients = bits, ingredients
        self.flow = Flow(network, calibration.chunks)
        self.generator = torch.Generator().manual_seed(SEED)
        self.solutions: dict[str, Solution] = {}
        self.report = ConversionReport(tuple(sorted(ingredients)), left=list(network.left))
        self.report.warnings += calibration.warnings
        for node, layer in network.layers.items():
            if bits[layer.name] is not None:
                self.flow.before[node] = visit(self.round, layer)
            self.flow.after[node] = visit(self.settle, layer)
        if ingredients & {"bias", "batch_norm"}:
            for node in network.batch_norms:
                self.flow.before[node] = lambda flow, node: self.normalize(node)

    @property
    def changed(self) -> dict[str, torch.Tensor]:
        return self.flow.changed

    def run(self) -> None:
        outputs = self.flow.run()
        fit = self.calibration.fit
        self.report.seen = self.agreement(outputs[:fit], self.calibration.seen)
        self.report.held_out = self.agreement(outputs[fit:], self.calibration.held_out)

    def round(self, layer: Layer) -> None:
        self.advance(0, layer.name)
        halves = self.statistics(layer) if self.ingredients & NEEDS_INPUTS else Statistics.plain(layer)
        weight, bits = layer.as_matrix(self.network.state[layer.weight]), self.bits[layer.name]
        assert bits is not None  # what stays float is not rounded
        solution = solve(weight, halves, bits, self.ingredients)
        self.solutions[layer.name] = solution
        self.changed[layer.weight] = layer.as_weight(solution.matrix)

    def statistics(self, layer: Layer) -> tuple[Statistics, Statistics]:
        """Of both halves of the layer's inputs; refuses inputs that are not finite."""
        halves = gather(self.flow, layer, self.calibration, self.generator)
        refuse_infinity(halves, layer, self.where)
        return (halves[0].centred(), halves[1].centred()) if self.absorbs_the_mean(layer) else halves

    def absorbs_the_mean(self, layer: Layer) -> bool:
        """Whether a bias or a BatchNorm will take out the mean of the error."""
        if layer.bias is not None and "bias" in self.ingredients:
            return True
        return layer.batch_norm in self.flow.before

    def settle(self, layer: Layer) -> None:
        """The bias is corrected, in the outputs too, and the layer's line in the report written."""
        pairs = self.flow.values[layer.node]
        axis = -1 if layer.kind == "Linear" else 1
        if layer.bias is not None and "bias" in self.ingredients and layer.name in self.solutions:
            wanted, found = moments(pairs[: self.calibration.fit], axis)
            correction = (wanted.mean - found.mean).to(torch.float32)
            self.changed[layer.bias] = self.network.state[layer.bias] + correction
            shape = [-1 if dim == axis % pairs[0].float.dim() else 1 for dim in range(pairs[0].float.dim())]
            for pair in pairs:
                pair.quantised += correction.view(shape)
        self.report.layers.append(self.line(layer, noise(pairs[self.calibration.fit :] or pairs)))
        self.advance()

    def line(self, layer: Layer, total: float) -> ConvertedLayer:
        solution = self.solutions.get(layer.name)
        weights = self.network.state[layer.weight].numel()
        return ConvertedLayer(
            name=layer.name,
            kind=layer.kind,
            shape=layer.shape,
            bits=solution.bits if solution else None,
            zero=bool(solution and solution.zero),
            weights=weights,
            bytes=stored_bytes(layer, solution.bits if solution else None),
            error=solution.relative_error if solution else 0.0,
            total=total,
        )

    def normalize(self, node: fx.Node) -> None:
        """BatchNorm's running mean and variance as the quantised network has them."""
        pairs = self.flow.values[source_of(node, 0)][: self.calibration.fit]
        if all(pair.float is pair.quantised for pair in pairs):
            return
        wanted, found = moments(pairs, 1)
        mean, variance = name_of_source(node, 3), name_of_source(node, 4)
        epsilon: Any = node.args[6]
        state = self.network.state
        self.changed[mean], self.changed[variance] = corrected_statistics(
            state[mean], state[variance], epsilon, wanted, found, "batch_norm" in self.ingredients
        )

    def agreement(self, outputs: list[Pair], inputs: int) -> Agreement | None:
        """Of the first output."""
        pairs = [Pair(first_tensor(pair.float), first_tensor(pair.quantised)) for pair in outputs]
        if not pairs or pairs[0].float is None:
            return None
        if not all(bool(pair.quantised.isfinite().all()) for pair in pairs):
            raise CompileError(
                self.where,
                "the converted model answers with NaN or infinity",
                "finite numbers",
                "check the calibration inputs, and that the model itself answers with finite numbers",
            )
        return Agreement(inputs, noise(pairs), top1(pairs))


def visit(act: Callable[[Layer], None], layer: Layer) -> Visit:
    return lambda flow, node: act(layer)


def gather(flow: Flow, layer: Layer, calibration: Calibration, generator: torch.Generator):
    """Statistics of the inputs in chunks of even and of odd numbers."""
    pairs = flow.values[source_of(layer.node, 0)][: calibration.fit]
    halves, rows = (Statistics.empty(layer), Statistics.empty(layer)), rows_wanted(layer)
    for number, pair in enumerate(pairs):
        share = -(-rows * len(pair.float) // calibration.seen) if pair.float.dim() else rows
        take = layer.columns(pair.quantised, share, generator)
        x = take(pair.quantised)
        halves[number % 2].add(x, x if pair.float is pair.quantised else take(pair.float))
    return halves


def refuse_infinity(halves: tuple[Statistics, Statistics], layer: Layer, where: str) -> None:
    if not all(bool(half.second_moment.isfinite().all() & half.drift.isfinite().all()) for half in halves):
        raise CompileError(
            where,
            f"what enters layer '{layer.name}' holds NaN or infinity, or its squares do",
            "finite activations for the calibration inputs",
            "check the inputs' preprocessing, and that the model itself answers with finite numbers",
        )


def stored_bytes(layer: Layer, bits: int | None) -> int:
    """In the .dsf: planes and a float scale for each channel, or float32; and the zeros before the next weight."""
    size = layer.groups * layer.matrix_shape[1] * layer.matrix_shape[2]
    return round_up(4 * size) if bits is None else round_up(planes_length(size, bits)) + 4 * layer.shape[0]


def noise(pairs: list[Pair]) -> float:
    """Power of the difference over power of the float side."""
    if all(pair.float is pair.quantised for pair in pairs):
        return 0.0
    wrong = sum(float((pair.quantised - pair.float).square().sum(dtype=torch.float64)) for pair in pairs)
    power = sum(float(pair.float.square().sum(dtype=torch.float64)) for pair in pairs)
    return wrong / power if power else 0.0


def top1(pairs: list[Pair]) -> float | None:
    if pairs[0].float.dim() != 2 or pairs[0].float.shape[1] < 2:
        return None
    same = sum(int((pair.float.argmax(1) == pair.quantised.argmax(1)).sum()) for pair in pairs)
    return same / sum(len(pair.float) for pair in pairs)


def first_tensor(value) -> torch.Tensor | None:
    if isinstance(value, torch.Tensor):
        return value if value.is_floating_point() else None
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return next((found for item in values if (found := first_tensor(item)) is not None), None)
