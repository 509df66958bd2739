"""size: how many bytes the .dsf of a model will take, measured by making it, and bits for its layers that keep to it.

What is no weight of these layers (the graph, biases, float layers) is measured with a quick rounding to the same bits:
the bytes of a shift weight depend on its bits and its channels, not on its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from dscompress.errors import CompileError
from dscompress.metadata import KIND, SHA256
from dscompress.ptq.allocate import allocate
from dscompress.ptq.codebook import Codebook
from dscompress.ptq.layers import Layer
from dscompress.ptq.network import Network, name_of_source
from dscompress.ptq.scales import best_scales
from dscompress.ptq.sensitivity import LayerSensitivity
from dsruntime.planes import ALIGNMENT

ATTEMPTS = 5
NOT_ZERO = 1e-3
# As long as what an export from a file adds to the metadata; those keys themselves are refused of a user.
SPACE = {SHA256.replace(".", "_"): "0" * 64, KIND.replace(".", "_"): "x" * 32}
NAME = "n" * 32

Plan = dict[str, int | None]
Measure = Callable[[dict[str, torch.Tensor]], int]  # changed tensors by name -> bytes of the file


def measured(model, inputs: Sequence[torch.Tensor]) -> int:
    """Bytes of the .dsf, labels, image recipe and metadata of your own not counted."""
    from dscompress.compile.road import compile_model

    if isinstance(model, torch.export.ExportedProgram):
        return compile_model(model, None, [tuple(each.shape) for each in inputs], name=NAME, metadata=SPACE).bytes
    return compile_model(model, None, inputs=list(inputs), name=NAME, metadata=SPACE).bytes


def plan_for_bytes(
    network: Network, layers: Sequence[LayerSensitivity], most: int, measure: Measure, where: str, excess: int = 0
) -> Plan:
    """Bits by layer for a file of at most `most` bytes. excess: what an earlier plan turned out to be too long by."""
    said = f"a target of {most:,} bytes"
    plan: Plan = {layer.name: layer.choices[0].bits for layer in layers}
    overhead = measure(quickly_rounded(network, plan)) - bytes_of(layers, plan) + excess
    for _ in range(ATTEMPTS):
        plan = allocate(layers, most, where, said, overhead)
        length = measure(quickly_rounded(network, plan)) + excess
        if length <= most:
            return plan
        overhead += max(length - most, ALIGNMENT)
    raise CompileError(where, said, f"at least {length:,} bytes", "ask for more bytes")


def bytes_of(layers: Sequence[LayerSensitivity], plan: Plan) -> int:
    return sum(choice.bytes for layer in layers for choice in layer.choices if choice.bits == plan[layer.name])


def quickly_rounded(network: Network, plan: Plan) -> dict[str, torch.Tensor]:
    """Means and biases move a little too: zeros and equal tensors may be left out of a file, corrected ones not."""
    moved = [name_of_source(node, 3) for node in network.batch_norms]
    moved += [layer.bias for layer in network.layers.values() if layer.bias is not None]
    random = torch.Generator().manual_seed(0)
    changed = {name: value + NOT_ZERO * torch.rand(value.shape, generator=random)
               for name in moved for value in [network.state[name]]}  # fmt: skip
    for layer in network.layers.values():
        if (bits := plan[layer.name]) is not None:
            changed[layer.weight] = quick(layer, network.state[layer.weight], bits)
    return changed


def quick(layer: Layer, weight: torch.Tensor, bits: int) -> torch.Tensor:
    rows = layer.as_matrix(weight).mT.contiguous()
    book = Codebook(bits, zero=True)
    scale, _ = best_scales(rows, torch.ones(rows.shape[:2]), book)
    return layer.as_weight((book.round(rows / scale[:, None]) * scale[:, None]).mT.contiguous())
