"""convert: a model's nn.Conv2d and nn.Linear layers become shift layers that start from the same weights.

    model, report = convert(model, method="ps", bits=5, skip=("fc", "features.0*", nn.Linear, First(1)))
    model, report = convert(model, "q", {"layer4.*": 3, "*": 4}, scale="trained", override={"fc": {"method": "ps"}})
    print(report)

The model is changed in place, in named_modules order (a module before what it contains, children in the order in which
they were registered), and returned (a model that is itself one layer comes back as a new object). A layer keeps its
groups, dilation, padding mode, device, dtype, training flag, requires_grad and bias. Optimisers built before hold the
old parameters: build them afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dscompress.nn.fixed_point import fixed_point
from dscompress.nn.layers import ShiftConv2d, ShiftLayer, ShiftLinear
from dscompress.nn.select import Selection, Selector, is_convertible_type, shown
from dscompress.nn.setting import Setting

# Modules that read `child.weight` themselves instead of calling the child.
READ_WEIGHTS_DIRECTLY = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
DEFAULT_BITS = 5


@dataclass(frozen=True)
class Converted:
    name: str
    layer: str
    weights: int
    setting: Setting


@dataclass(frozen=True)
class Left:
    name: str
    layer: str
    reason: str


@dataclass
class ConversionReport:
    """Which layers became shift layers, and which modules with weights of their own stayed float, and why."""

    converted: list[Converted] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def __str__(self) -> str:
        weights = sum(layer.weights for layer in self.converted)
        kinds: dict[str, int] = {}
        for layer in self.converted:
            kind = f"{layer.setting.bits}-bit {layer.setting.method}"
            kinds[kind] = kinds.get(kind, 0) + 1
        counted = ", ".join(kind if len(kinds) == 1 else f"{kind} ({count})" for kind, count in kinds.items())
        lines = [f"{len(self.converted)} layers, {weights:,} weights: {counted or 'nothing to convert'}"]
        lines += [f"  left {module.name} ({module.layer}): {module.reason}" for module in self.left]
        return "\n".join(lines)


def convert(
    model: nn.Module,
    method: str = "ps",
    bits: int | Mapping[str, int | None] = DEFAULT_BITS,
    *,
    skip: Iterable[Selector] | Selector = (),
    only: Iterable[Selector] | Selector | None = None,
    override: Mapping[str, Mapping[str, Any]] | None = None,
    **setting: Any,
) -> tuple[nn.Module, ConversionReport]:
    """Converts in place; `skip` and `only` hold names, glob patterns, types, First(n) and Last(n) (select.py).

    bits and override may differ by layer: by name or pattern, the first that matches; layers that no pattern of `bits`
    matches have 5, and those for which it says None stay float. override gives any fields of Setting; **setting are its
    fields for all layers. Raises ValueError for settings that no layer can have and for names that match no module.
    """
    chosen = Choice(model, method, bits, override or {}, setting)
    skipped = Selection(model, skip, "skip")
    wanted = None if only is None else Selection(model, only, "only")
    report, owners = ConversionReport(), weight_owners(model)
    new_layers: dict[nn.Module, ShiftConv2d | ShiftLinear] = {}  # one for each float layer, however many names it has

    for name, module in model.named_modules():
        if holds_a_matrix(module):
            reason = reason_not_selected(name, skipped, wanted) or chosen.reason_to_stay_float(name)
            reason = reason or reason_to_leave(model, name, module, owners)
            if reason:
                report.left.append(Left(name, type(module).__name__, reason))
                continue
            new_layers[module] = shift_layer(module, chosen.setting_for(name))
            floor_bias(new_layers[module])
            weights = module.weight.numel()
            report.converted.append(Converted(name, type(module).__name__, weights, new_layers[module].setting))
    return put_in_place(model, new_layers), report


class Choice:
    """What each layer is told: the arguments of convert, resolved by name."""

    def __init__(self, model: nn.Module, method: str, bits: Any, override: Mapping, setting: dict[str, Any]) -> None:
        self.bits = bits if isinstance(bits, Mapping) else {"*": bits}
        for one in self.bits.values():
            if one is not None:
                Setting(method, one, **setting)
        self.method, self.setting, self.override = method, setting, override
        self.by_bits = Selection(model, self.bits, "bits")
        self.by_override = Selection(model, override, "override")

    def reason_to_stay_float(self, name: str) -> str | None:
        pattern = self.by_bits.match(name)
        return f"float by {shown(pattern)}" if pattern is not None and self.bits[pattern] is None else None

    def setting_for(self, name: str) -> Setting:
        pattern, other = self.by_bits.match(name), self.by_override.match(name)
        bits = DEFAULT_BITS if pattern is None else self.bits[pattern]
        told = {} if other is None else self.override[other]
        try:
            return Setting(**{"method": self.method, "bits": bits, **self.setting, **told})
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from None


def shift_layer(
    layer: nn.Conv2d | nn.Linear, setting: Setting, unit: torch.Tensor | None = None
) -> ShiftConv2d | ShiftLinear:
    """The shift layer that stands for a float layer; shares its bias. unit: see ShiftLayer.load_weight."""
    shared = {"setting": setting, "bias": layer.bias is not None, "device": "meta", "dtype": layer.weight.dtype}
    if isinstance(layer, nn.Conv2d):
        new: ShiftConv2d | ShiftLinear = ShiftConv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            padding_mode=layer.padding_mode,
            **shared,
        )
    else:
        new = ShiftLinear(layer.in_features, layer.out_features, **shared)
    new.load_weight(layer.weight, unit)
    new.bias = layer.bias
    return new.train(layer.training)


@torch.no_grad()
def floor_bias(layer: ShiftLayer) -> None:
    """As published for Q: training starts from a bias in the format of the activations."""
    if layer.bias is not None and layer.method_module.FLOORS_BIAS:
        layer.bias.copy_(fixed_point(layer.bias, layer.setting.activation))


def put_in_place(model: nn.Module, new_layers: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Each layer under all of its names; returns the model, or what stands for it."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if name and module in new_layers:
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, new_layers[module])
    return new_layers.get(model, model)


def reason_not_selected(name: str, skipped: Selection, wanted: Selection | None) -> str | None:
    skip = skipped.match(name)
    if skip is not None:
        return f"skipped by {shown(skip)}"
    if wanted is not None and wanted.match(name) is None:
        return f"only {', '.join(shown(selector) for selector in wanted.selectors)} were asked for"
    return None


def reason_to_leave(model: nn.Module, name: str, module: nn.Module, owners: dict) -> str | None:
    if isinstance(module, ShiftLayer):
        return "already a shift layer"
    if not is_convertible_type(module):
        return "only exactly nn.Conv2d and nn.Linear are converted"
    if "weight" not in module._parameters:
        return "its weight is computed from other parameters; remove the parametrisation first"
    if not module.weight.is_floating_point():
        return f"its weight is {module.weight.dtype}"
    if len(owners[module.weight]) > 1:
        others = sorted(owner for owner in owners[module.weight] if owner != name)
        return f"its weight is shared with {', '.join(others)}"
    if module._forward_hooks or module._forward_pre_hooks:
        return "it has forward hooks, which conversion would lose; remove them first"
    parent = model.get_submodule(name.rpartition(".")[0])
    if isinstance(parent, READ_WEIGHTS_DIRECTLY):
        return f"{type(parent).__name__} reads its weight directly"
    return None


def weight_owners(model: nn.Module) -> dict[torch.Tensor, set[str]]:
    """The modules that hold each parameter, by name; a module with two names counts once."""
    owners: dict[torch.Tensor, set[str]] = {}
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners.setdefault(parameter, set()).add(name)
    return owners


def holds_a_matrix(module: nn.Module) -> bool:
    """Whether the module itself, not a child, has a weight that a shift code could stand for."""
    return isinstance(module, nn.Conv2d | nn.Linear) or any(
        parameter is not None and not nn.parameter.is_lazy(parameter) and parameter.dim() >= 2
        for parameter in module._parameters.values()
    )
