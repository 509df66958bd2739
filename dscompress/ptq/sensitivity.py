"""Sensitivity: for every layer and every number of bits, how wrong the layer's output gets, and the model's answer.

error     noise over signal at the layer's own output, all other layers float
effect    noise over signal that it makes at the model's output, to first order:

    an error d at the layer's output moves the answer y by J d. For a random v of ±1,
    E |v J d|^2 = |J d|^2, and g = v J is what backpropagation gives. So with G_c the mean of g^2 over the inputs,
    summed over the positions of channel c, and e_c the mean square error of a position

    effect = sum over c of G_c e_c / mean |y|^2
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from dscompress.ptq.codebook import BITS
from dscompress.ptq.flow import Flow
from dscompress.ptq.inputs import Calibration
from dscompress.ptq.layers import Layer
from dscompress.ptq.network import Network
from dscompress.ptq.run import SEED, first_tensor, gather, refuse_infinity, stored_bytes
from dscompress.ptq.solve import solve

INPUTS = 32  # that are differentiated, in batches of BATCH
BATCH = 4


@dataclass(frozen=True)
class Choice:
    """bits None is float32."""

    bits: int | None
    bytes: int
    error: float
    effect: float


@dataclass(frozen=True)
class LayerSensitivity:
    """choices: fewest bits first, float last."""

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    choices: tuple[Choice, ...]


def sensitivities(
    network: Network,
    calibration: Calibration,
    ingredients: frozenset[str],
    where: str,
    advance: Callable[..., None] = lambda count=1, label=None: None,
) -> list[LayerSensitivity]:
    gains, found = output_gains(network, calibration), []
    flow = Flow(network, calibration.chunks)
    generator = torch.Generator().manual_seed(SEED)

    def measure(flow: Flow, node: fx.Node) -> None:
        layer = network.layers[node]
        advance(0, layer.name)
        found.append(of_layer(flow, layer, calibration, generator, ingredients, gains.get(node), where))
        advance()

    flow.before = dict.fromkeys(network.layers, measure)
    flow.run()
    return found


def of_layer(flow, layer: Layer, calibration, generator, ingredients, gain, where: str) -> LayerSensitivity:
    halves = gather(flow, layer, calibration, generator)
    refuse_infinity(halves, layer, where)
    halves = (halves[0].centred(), halves[1].centred())
    rows = halves[0].rows + halves[1].rows
    weight = layer.as_matrix(flow.network.state[layer.weight])
    choices = []
    for bits in BITS:
        solution = solve(weight, halves, bits, ingredients)
        noise = solution.error.flatten() / max(rows, 1)
        effect = solution.relative_error if gain is None else float((gain * noise).sum())
        choices.append(Choice(bits, stored_bytes(layer, bits), solution.relative_error, effect))
    choices.append(Choice(None, stored_bytes(layer, None), 0.0, 0.0))
    return LayerSensitivity(layer.name, layer.kind, layer.shape, math.prod(layer.shape), tuple(choices))


def output_gains(network: Network, calibration: Calibration) -> dict[fx.Node, torch.Tensor]:
    """G_c over mean |y|^2, [channels] for each layer that the answer depends on."""
    totals: dict[fx.Node, torch.Tensor] = {}
    power, count = 0.0, 0
    generator = torch.Generator().manual_seed(SEED)
    for inputs in batches(calibration):
        tap = Tap(network)
        with torch.enable_grad():
            answer = first_tensor(tap.run(inputs))
            if answer is None or not answer.requires_grad:
                return {}
            signs = torch.randint(0, 2, answer.shape, generator=generator) * 2.0 - 1.0
            (answer * signs).sum().backward()
        for node, output in tap.outputs.items():
            if output.grad is not None:
                axis = output.dim() - 1 if network.layers[node].kind == "Linear" else 1
                squares = output.grad.square().sum([d for d in range(output.dim()) if d != axis])
                totals[node] = totals.get(node, 0) + squares
        power += float(answer.detach().square().sum())
        count += len(answer)
        if count >= INPUTS:
            break
    return {node: total / power for node, total in totals.items()} if power else {}


def batches(calibration: Calibration):
    """The inputs of the first chunks, BATCH at a time; a chunk whose size the network fixes stays whole."""
    fixed = calibration.fixed
    for chunk in calibration.chunks[: calibration.fit]:
        yield from ([chunk] if fixed else zip(*(tensor.split(BATCH) for tensor in chunk), strict=True))


class Tap:
    """Runs the float network with gradients and keeps what comes out of the layers."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.outputs: dict[fx.Node, torch.Tensor] = {}

    def run(self, inputs):
        values: dict[fx.Node, Any] = {}
        waiting = iter(inputs)
        for node in self.network.graph.nodes:
            if node.op == "placeholder":
                tensor = next(waiting)
                values[node] = tensor.detach().clone().requires_grad_() if tensor.is_floating_point() else tensor
            elif node.op == "get_attr":
                values[node] = self.network.state.get(node.target)
            elif node.op == "output":
                return fx.map_arg(node.args[0], values.__getitem__)
            else:
                arguments, names = fx.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = node.target(*arguments, **names)
                if node in self.network.layers and values[node].requires_grad:
                    values[node].retain_grad()
                    self.outputs[node] = values[node]
        raise AssertionError("a graph without an output")
