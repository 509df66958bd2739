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
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TypeVar

import torch

from dscompress.capture.exported_program import input_dims, input_nodes
from dscompress.capture.module import evaluation_copy
from dscompress.capture.torch_export import export_module
from dscompress.errors import CompileError
from dscompress.nn.copied import copied
from dscompress.ptq.allocate import allocate
from dscompress.ptq.codebook import check_bits
from dscompress.ptq.ingredients import check_ingredients
from dscompress.ptq.inputs import as_tensors, prepare
from dscompress.ptq.network import ALREADY, Network, network_of
from dscompress.ptq.report import ConversionReport
from dscompress.ptq.run import Run
from dscompress.ptq.sensitivity import LayerSensitivity, sensitivities
from dscompress.ptq.size import measured, plan_for_bytes
from dsruntime.planes import ALIGNMENT

Model = TypeVar("Model", torch.nn.Module, torch.export.ExportedProgram)
Bits = int | Mapping[str, int | None]
Advance = Callable[..., None]


def silent(count: int = 1, label: str | None = None) -> None:
    """Tells nobody."""


def convert(
    model: Model,
    inputs,
    *,
    bits: Bits = 4,
    ingredients: Iterable[str] | None = None,
    target_bpw: float | None = None,
    target_bytes: int | None = None,
    allow_float: bool = False,
    name: str | None = None,
    advance: Advance = silent,
) -> tuple[Model, ConversionReport]:
    """A converted copy of an nn.Module or ExportedProgram, and what was done.

    inputs: an array or tensor [count, ...] as the model takes it, or a list of one for each input of the model.
    bits: 2 to 5, or by layer: {"conv1": 5, "layer4.*": 3, "fc": None, "*": 4}, the first pattern that fits; None and
    layers that no pattern fits stay float. ingredients: names of INGREDIENTS, all if None; none: the naive conversion.
    target_bpw, target_bytes: instead of bits, the mean bits of a converted layer's weight, scales included, or the
    length of the .dsf; sensitivity() then says which layers get how many, and with allow_float which stay float because
    that pays. name: of the model, for errors. advance(count, label): called as layers are done. Raises CompileError for
    inputs that do not fit, values that are not finite, and targets that cannot be met.
    """
    where = name or type(model).__name__
    work = Work(model, inputs, check_ingredients(ingredients), where, advance)
    if target_bpw is None and target_bytes is None:
        return work.convert(bits_by_layer(work.network, bits, where))
    if target_bpw is not None and target_bytes is not None:
        raise CompileError(where, "two targets, bits a weight and bytes", "one of them")
    found = sensitivities(work.network, work.calibration, work.ingredients, where, advance)
    found = found if allow_float else [without_float(layer) for layer in found]
    if target_bpw is not None:
        most = target_bpw * sum(layer.weights for layer in found) / 8
        return work.convert(allocate(found, most, where, f"a target of {target_bpw} bits a weight"))
    assert target_bytes is not None
    return work.convert_to_bytes(found, target_bytes)


def sensitivity(
    model, inputs, *, ingredients: Iterable[str] | None = None, name: str | None = None, advance: Advance = silent
) -> list[LayerSensitivity]:
    """For each layer that can be converted, its bytes, its error and its effect on the answer at 2 to 5 bits."""
    work = Work(model, inputs, check_ingredients(ingredients), name or type(model).__name__, advance)
    return sensitivities(work.network, work.calibration, work.ingredients, work.where, advance)


def without_float(layer: LayerSensitivity) -> LayerSensitivity:
    return replace(layer, choices=tuple(choice for choice in layer.choices if choice.bits is not None))


class Work:
    """A model, captured, and its calibration inputs: what every plan for it needs."""

    def __init__(self, model, inputs, ingredients: frozenset[str], where: str, advance: Advance) -> None:
        self.model, self.ingredients, self.where, self.advance = model, ingredients, where, advance
        tensors = as_tensors(inputs, where)
        self.inputs = [tensor[:1] for tensor in tensors]
        self.network = network_of(program_of(model, tensors, where))
        self.calibration = prepare(self.network, tensors, where)
        if not self.network.layers and self.network.left and all(e.reason == ALREADY for e in self.network.left):
            count = len(self.network.left)
            layers = "the weights of its one layer are" if count == 1 else f"the weights of all its {count} layers are"
            raise CompileError(
                where,
                f"{layers} powers of two already",
                "a float model",
                "there is nothing to convert; export it as it is",
            )
        if not self.network.layers:
            reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in self.network.left[:3])
            raise CompileError(
                where,
                f"no layer can be converted{f' ({reasons})' if reasons else ''}",
                "a float model with Conv1d, Conv2d or Linear layers",
            )

    def convert(self, plan: dict[str, int | None]):
        run = Run(self.network, self.calibration, plan, self.ingredients, self.where, self.advance)
        run.run()
        return with_changes(self.model, run.changed), run.report

    def convert_to_bytes(self, found: list[LayerSensitivity], most: int):
        def measure(changed: dict[str, torch.Tensor]) -> int:
            return measured(with_changes(self.model, changed), self.inputs)

        excess = 0
        for _ in range(3):
            plan = plan_for_bytes(self.network, found, most, measure, self.where, excess)
            converted, report = self.convert(plan)
            report.file_bytes = measured(converted, self.inputs)
            if report.file_bytes <= most:
                return converted, report
            excess += max(report.file_bytes - most, ALIGNMENT)
        raise CompileError(
            self.where, f"a target of {most:,} bytes", f"at least {report.file_bytes:,} bytes", "ask for a little more"
        )


def program_of(model, tensors: list[torch.Tensor], where: str) -> torch.export.ExportedProgram:
    """The model as a graph of operators for any batch, or for the batch that it fixes."""
    if isinstance(model, torch.export.ExportedProgram):
        return freed(model, where)
    plain = evaluation_copy(model, where, [])
    return export_module(plain, [tensor[:1] for tensor in tensors], True, where)


def freed(program: torch.export.ExportedProgram, where: str) -> torch.export.ExportedProgram:
    """With its batch free, if the graph allows it."""
    dims = input_dims(program)
    if all(not isinstance(dim[0], int) for dim in dims):
        return program
    try:
        inputs = [torch.zeros(node.meta["val"].shape, dtype=node.meta["val"].dtype) for node in input_nodes(program)]
        return export_module(program.module(check_guards=False), inputs, True, where)
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
        return program_with_changes(model, changed)
    new = copied(model)
    state = new.state_dict()
    with torch.no_grad():
        for name, tensor in changed.items():
            state[name].copy_(tensor)
    return new


def program_with_changes(program: torch.export.ExportedProgram, changed: dict[str, torch.Tensor]):
    """Shares the graph: a deep copy of one renames inputs that are called as Python's own functions are."""
    new = copy.copy(program)
    new._state_dict, new._constants = dict(program.state_dict), dict(program.constants)
    for name, tensor in changed.items():
        held = new._state_dict if name in new._state_dict else new._constants
        held[name] = torch.nn.Parameter(tensor, False) if isinstance(held[name], torch.nn.Parameter) else tensor
    return new
