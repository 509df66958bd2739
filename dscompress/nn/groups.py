"""parameter_groups: a model's parameters as an optimiser takes them, each kind with the decay that suits it."""

from typing import Any

from torch import nn

from dscompress.nn.layers import ShiftLayer


def parameter_groups(model: nn.Module, weight_decay: float, sign_lr: float | None = None) -> list[dict[str, Any]]:
    """Groups "others", "sign" and "shift", those that have parameters, in this order.

        others   weight_decay    float layers, biases, norms, and Q's weights, which are like a float layer's
        sign     no decay        what holds nothing but signs; its rate is sign_lr, if given
        shift    no decay        what stands for exponents, zeros or scales: decay would pull them to 2^0, not to 0

    Parameters that are not trained are left out.
    """
    kinds = kind_of_parameters(model)
    names: dict[str, list] = {"others": [], "sign": [], "shift": []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            names[kinds.get(parameter, "others")].append(parameter)
    groups = [
        {"name": "others", "params": names["others"], "weight_decay": weight_decay},
        {"name": "sign", "params": names["sign"], "weight_decay": 0.0, **({} if sign_lr is None else {"lr": sign_lr})},
        {"name": "shift", "params": names["shift"], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def kind_of_parameters(model: nn.Module) -> dict[nn.Parameter, str]:
    kinds = {}
    for layer in model.modules():
        if isinstance(layer, ShiftLayer):
            for name, parameter in layer.named_parameters(recurse=False):
                if name in layer.method_module.SIGNS:
                    kinds[parameter] = "sign"
                elif name not in ("weight", "bias"):
                    kinds[parameter] = "shift"
    return kinds
