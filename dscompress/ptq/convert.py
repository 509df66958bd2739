"""convert(): a float model becomes a power-of-two model, without training, from a few hundred unlabelled inputs.

    model, report = convert(model, images, bits=4)
    print(report)

The model that comes back has the same structure and the same names: only values of weights, biases and BatchNorm
statistics differ. Every converted weight is scale[channel] * ±2^k or 0, exact in float32, so the exporter stores it in
the promised bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

import torch

from dscompress.capture.exported_program import input_dims
from dscompress.capture.module import evaluation_copy
from dscompress.capture.torch_export import export_module
from dscompress.errors import CompileError
from dscompress.ptq.codebook import check_bits
from dscompress.ptq.ingredients import check_ingredients
from dscompress.ptq.inputs import as_tensors, prepare
from dscompress.ptq.network import Network, network_of
from dscompress.ptq.report import ConversionReport
from dscompress.ptq.run import Run

Model = TypeVar("Model", torch.nn.Module, torch.export.ExportedProgram)
Bits = int | Mapping[str, int | None]


def convert(
    model: Model,
    inputs,
    *,
    bits: Bits = 4,
    ingredients: Iterable[str] | None = None,
    advance: Callable[..., None] = lambda count=1, label=None: None,
) -> tuple[Model, ConversionReport]:
    """A converted copy of an nn.Module or ExportedProgram, and what was done.

    inputs: an array or tensor [count, ...] as the model takes it, or a list of one for each input of the model.
    bits: 2 to 5, or by layer: {"conv1": 5, "layer4.*": 3, "fc": None, "*": 4}, the first pattern that fits; None and
    layers that no pattern fits stay float. ingredients: names of INGREDIENTS, all if None; none: the naive conversion.
    advance(count, label): called for each layer.
    """
    where = type(model).__name__
    chosen = check_ingredients(ingredients)
    program = program_of(model, inputs, where)
    network = network_of(program)
    run = Run(network, prepare(network, inputs, where), bits_by_layer(network, bits, where), chosen, where, advance)
    run.run()
    return with_changes(model, run.changed), run.report


def program_of(model, inputs, where: str) -> torch.export.ExportedProgram:
    """The model as a graph of operators for any batch, or for the batch that it fixes."""
    if isinstance(model, torch.export.ExportedProgram):
        return freed(model, where)
    plain = evaluation_copy(model, where, [])
    shapes = [(2, *tensor.shape[1:]) for tensor in as_tensors(inputs, where)]
    return export_module(plain, shapes, True, where)


def freed(program: torch.export.ExportedProgram, where: str) -> torch.export.ExportedProgram:
    """With its batch free, if the graph allows it."""
    dims = input_dims(program)
    if all(not isinstance(dim[0], int) for dim in dims):
        return program
    try:
        return export_module(program.module(check_guards=False), [tuple(dim) for dim in dims], True, where)
    except CompileError:
        return program


def bits_by_layer(network: Network, bits: Bits, where: str) -> dict[str, int | None]:
    names = [layer.name for layer in network.layers.values()]
    if not isinstance(bits, Mapping):
        return dict.fromkeys(names, check_bits(bits))
    for pattern, value in bits.items():
        if value is not None:
            check_bits(value)
        if not any(fnmatchcase(name, pattern) for name in names):
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise CompileError(where, f"no layer is called '{pattern}'", f"names or patterns of {shown}")
    return {name: next((bits[p] for p in bits if fnmatchcase(name, p)), None) for name in names}


def with_changes(model: Model, changed: dict[str, torch.Tensor]) -> Model:
    """A copy of the model that holds the changed tensors under their names."""
    if isinstance(model, torch.export.ExportedProgram):
        new = copy.deepcopy(model)
        for name, tensor in changed.items():
            held = new.state_dict if name in new.state_dict else new.constants
            held[name] = torch.nn.Parameter(tensor, False) if isinstance(held[name], torch.nn.Parameter) else tensor
        return new
    new = copy.deepcopy(model)
    state = new.state_dict()
    with torch.no_grad():
        for name, tensor in changed.items():
            state[name].copy_(tensor)
    return new
