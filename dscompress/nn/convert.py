"""convert: a model's nn.Conv2d and nn.Linear layers become shift layers that start from the same weights.

    model, report = convert(model, method="ps", bits=5, skip=("fc", "features.0*", nn.Linear))
    print(report)

The model is changed in place, in named_modules order, and returned (a model that is itself one layer comes back as a
new object). A layer keeps its groups, dilation, padding mode, device, dtype, training flag, requires_grad and bias.
Optimisers built before hold the old parameters: build them afterwards.
"""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn

from dscompress.nn.layers import ShiftConv2d, ShiftLayer, ShiftLinear
from dscompress.nn.methods import check_bits, method_named

# Modules that read `child.weight` themselves instead of calling the child.
READ_WEIGHTS_DIRECTLY = (nn.MultiheadAttention, nn.TransformerEncoderLayer)


@dataclass(frozen=True)
class Converted:
    name: str
    layer: str
    weights: int


@dataclass(frozen=True)
class Left:
    name: str
    layer: str
    reason: str


@dataclass
class ConversionReport:
    """Which layers became shift layers, and which modules with weights of their own stayed float, and why."""

    method: str
    bits: int
    converted: list[Converted] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def __str__(self) -> str:
        weights = sum(layer.weights for layer in self.converted)
        lines = [f"{len(self.converted)} layers, {weights:,} weights: {self.bits}-bit {self.method}"]
        lines += [f"  left {module.name} ({module.layer}): {module.reason}" for module in self.left]
        return "\n".join(lines)


def convert(
    model: nn.Module, method: str = "ps", bits: int = 5, skip: Iterable[str | type] | str | type = ()
) -> tuple[nn.Module, ConversionReport]:
    """Converts in place; `skip` holds names, glob patterns or types; a skipped module keeps all that it contains."""
    method_named(method), check_bits(bits)
    skips = (skip,) if isinstance(skip, str | type) else tuple(skip)
    check_skips(model, skips)
    report = ConversionReport(method, bits)
    shift_layers: dict[nn.Module, nn.Module] = {}  # one for each float layer, however many names it has
    owners = weight_owners(model)

    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module not in shift_layers:
            if not holds_a_matrix(module):
                continue
            reason = reason_to_leave(model, name, module, skips, owners)
            if reason:
                report.left.append(Left(name, type(module).__name__, reason))
                continue
            shift_layers[module] = shift_layer(module, method, bits)
            report.converted.append(Converted(name, type(module).__name__, module.weight.numel()))
        if not name:
            return shift_layers[module], report
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, shift_layers[module])
    return model, report


def shift_layer(layer: nn.Conv2d | nn.Linear, method: str, bits: int) -> ShiftConv2d | ShiftLinear:
    """The shift layer that stands for a float layer; shares its bias."""
    shared = {"method": method, "bits": bits, "bias": layer.bias is not None, "device": "meta"}
    if isinstance(layer, nn.Conv2d):
        new = ShiftConv2d(
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
    new.load_weight(layer.weight)
    new.register_parameter("bias", layer.bias)
    return new.train(layer.training)


def reason_to_leave(model: nn.Module, name: str, module: nn.Module, skips: tuple, owners: dict) -> str | None:
    above = [".".join(name.split(".")[:count]) for count in range(1, len(name.split(".")) + 1)] if name else [""]
    for skip in skips:
        if any(matches(skip, ancestor, model.get_submodule(ancestor)) for ancestor in above):
            return f"skipped by {skip.__name__ if isinstance(skip, type) else repr(skip)}"
    if isinstance(module, ShiftLayer):
        return "already a shift layer"
    if type(module) not in (nn.Conv2d, nn.Linear):
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


def matches(skip: str | type, name: str, module: nn.Module) -> bool:
    return isinstance(module, skip) if isinstance(skip, type) else fnmatch.fnmatchcase(name, skip)


def check_skips(model: nn.Module, skips: tuple) -> None:
    names = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for skip in skips:
        if not isinstance(skip, str | type):
            raise ValueError(f"skip holds {skip!r}; it takes names, glob patterns such as 'layer4.*', and types")
        if isinstance(skip, str) and not any(fnmatch.fnmatchcase(name, skip) for name in names):
            shown = ", ".join(name for name in names[:8] if name) + (", ..." if len(names) > 8 else "")
            raise ValueError(f"skip={skip!r} matches no module; the model has {shown}")


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
