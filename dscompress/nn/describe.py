"""describe and restore: which layers of a model are shift layers, as plain values, and the model back from them.

torch.save({"layers": describe(model), "state_dict": model.state_dict()}, "net.pt")

checkpoint = torch.load("net.pt", weights_only=True)
model = restore(Net(), checkpoint["layers"])            # the float architecture, its layers converted
model.load_state_dict(checkpoint["state_dict"])
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dscompress.nn.convert import put_in_place, shift_layer
from dscompress.nn.layers import ShiftLayer
from dscompress.nn.select import is_convertible_type
from dscompress.nn.setting import Setting


def describe(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Each shift layer's Setting by the layer's name: str, int, float, bool, list and None only."""
    return {name: module.setting.plain() for name, module in model.named_modules() if isinstance(module, ShiftLayer)}


def restore(model: nn.Module, description: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """Makes the described layers of a float model shift layers, in place; a model that is one layer comes back new.

    Their parameters wait for load_state_dict. Layers that already are as described stay. Raises ValueError, before it
    changes anything, if the description does not fit the model.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    new_layers: dict[nn.Module, nn.Module] = {}
    for name, plain in description.items():
        setting = setting_of(name, plain)
        check_layer(name, modules.get(name), setting)
        if is_convertible_type(modules[name]):
            new_layers[modules[name]] = shift_layer(modules[name], setting, torch.ones(1) if setting.has_unit else None)
    return put_in_place(model, new_layers)


def setting_of(name: str, plain: Mapping[str, Any]) -> Setting:
    try:
        return Setting.from_plain(plain)
    except (ValueError, TypeError) as error:
        raise ValueError(f"layer {name!r} of the description: {error}") from None


def check_layer(name: str, module: nn.Module | None, setting: Setting) -> None:
    if module is None:
        raise ValueError(f"the description has a shift layer {name!r}, the model no such module; give the architecture "
                         "that was described")  # fmt: skip
    if isinstance(module, ShiftLayer):
        if module.setting != setting:
            raise ValueError(f"layer {name!r} is {module.setting} in the model and {setting} in the description")
    elif not is_convertible_type(module):
        found = type(module).__name__
        raise ValueError(f"layer {name!r} is a {found} in the model, the description says a shift layer, which stands "
                         "for nn.Conv2d or nn.Linear")  # fmt: skip
