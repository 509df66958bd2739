"""ShiftConv2d and ShiftLinear: nn.Conv2d and nn.Linear whose weights are 0 or ±2^k, in a unit, while trained.

The float parameters behind a weight depend on the method (methods.py); in training mode they are clamped in place
before each forward. `effective_weight` is the exact weight that evaluation uses.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dscompress.nn.fixed_point import fixed_point
from dscompress.nn.methods import method_named
from dscompress.nn.setting import FIELDS, Setting
from dscompress.nn.unit import LEAST, MOST, fit_unit, register_unit, unit_of


class ShiftLayer(nn.Module):
    """What both layers share: which parameters stand for the weight, and how the weight comes out of them."""

    setting: Setting
    weight_dimensions: int
    weight: torch.Tensor  # the torch layer's, and method q's
    bias: Any  # a parameter, or None
    base: torch.Tensor  # where setting.offset says so
    scale: torch.Tensor  # where setting.scale says so

    @property
    def method(self) -> str:
        return self.setting.method

    @property
    def bits(self) -> int:
        return self.setting.bits

    @property
    def method_module(self) -> ModuleType:
        return method_named(self.setting.method)

    @property
    def unit(self) -> torch.Tensor | None:
        """What multiplies the codes, [out, 1, ...] or [1, 1, ...], or None."""
        return unit_of(self)

    @property
    def effective_weight(self) -> torch.Tensor:
        """[out, in/groups, kh, kw] or [out, in]: unit * code, with its gradient; rounded to nearest."""
        return self.compute_weight(training=False)

    @property
    def effective_bias(self) -> torch.Tensor | None:
        """What the forward adds: of a convolution with fixed-point activations, the bias in that format too."""
        form = self.setting.activation if isinstance(self, nn.Conv2d) else None
        return self.bias if self.bias is None else fixed_point(self.bias, form)

    @property
    def input_format(self) -> tuple[int, int] | None:
        """(integer, fraction) bits of the input, or None; PS's linear layers leave it float, as published."""
        stays_float = isinstance(self, nn.Linear) and self.method_module.LINEAR_INPUT_IS_FLOAT
        return None if stays_float else self.setting.activation

    def parameter_names(self) -> tuple[str, ...]:
        return self.method_module.parameter_names(self.bits)

    def weight_parameters(self) -> dict[str, torch.Tensor]:
        return {name: getattr(self, name) for name in self.parameter_names()}

    def take_setting(self, setting: Setting) -> None:
        """Replaces the torch layer's float `weight` by the method's own parameters of the same shape."""
        weight = self.weight
        del self._parameters["weight"]
        self.setting, self.weight_dimensions = setting, weight.dim()
        for name in self.parameter_names():
            self.register_parameter(name, nn.Parameter(torch.empty_like(weight)))
        register_unit(self, weight.shape[0], weight)
        if "bias" in self._parameters:
            self._parameters["bias"] = self._parameters.pop("bias")  # last, as torch's own layers have it
        self.freeze_signs()

    def freeze_signs(self) -> None:
        for name in self.method_module.SIGNS if self.setting.freeze_sign else ():
            getattr(self, name).requires_grad_(False)

    def compute_weight(self, training: bool) -> torch.Tensor:
        return self.method_module.effective_weight(self.weight_parameters(), self.setting, self.unit, training)

    def weight_for_forward(self) -> torch.Tensor:
        if self.training and not torch.compiler.is_exporting():
            self.clamp_in_place()
        return self.compute_weight(self.training)

    def clamp_in_place(self) -> None:
        if self.setting.scale == "trained":
            self.scale.data.clamp_(LEAST, MOST)
        self.method_module.clamp_in_place(self.weight_parameters(), self.setting, self.unit)

    @torch.no_grad()
    def load_weight(self, weight: torch.Tensor, unit: torch.Tensor | None = None) -> None:
        """Starts from a float weight: the nearest that the method and its bits can say.

        unit, [1] or [out], says what multiplies the codes (an offset's must be powers of two); unless given, it is
        fitted to the weight. A weight that is made of these codes in this unit is taken exactly.
        """
        unit = self.load_unit(weight, unit)
        for name, value in self.method_module.start_from_weight(weight, self.setting, unit).items():
            self.register_parameter(name, nn.Parameter(value, requires_grad=weight.requires_grad))
        self.freeze_signs()

    def load_unit(self, weight: torch.Tensor, unit: torch.Tensor | None) -> torch.Tensor | None:
        if not self.setting.has_unit:
            if unit is not None:
                raise ValueError("a unit is given, but the layer has neither an offset nor a scale")
            return None
        unit = fit_unit(weight, self.setting, self.method_module) if unit is None else unit
        if self.setting.offset != "none":
            self.base = torch.round(torch.log2(unit)).to(weight.device, torch.int32).expand_as(self.base).clone()
        elif self.setting.scale == "fixed":
            self.scale = unit.to(weight).expand_as(self.scale).clone()
        else:
            start = unit.to(weight).expand_as(self.scale).clone()
            self.scale = nn.Parameter(start, requires_grad=weight.requires_grad)
        made = unit_of(self)
        return None if made is None else made.detach()

    def reset_parameters(self) -> None:
        """From scratch: as published where codes stand for themselves, else from a float layer's random weight."""
        if not hasattr(self, "setting"):
            return  # called by the torch layer's constructor, before there are parameters to fill
        if not self.setting.has_unit:
            self.method_module.start_from_scratch(self)
        else:
            weight = torch.empty_like(getattr(self, self.parameter_names()[0])).requires_grad_()
            nn.init.kaiming_uniform_(weight, a=5**0.5)
            if not weight.is_meta:
                self.load_weight(weight)
        if self.bias is not None:
            fan_in = self.weight_parameters()[self.parameter_names()[0]].shape[1:].numel()
            bound = fan_in**-0.5 if fan_in else 0.0
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        default = Setting(self.method, self.bits)
        told = {name: getattr(self.setting, name) for name in FIELDS[2:]}
        more = "".join(f", {name}={value!r}" for name, value in told.items() if value != getattr(default, name))
        return f"{super().extra_repr()}, method={self.method!r}, bits={self.bits}{more}"


class ShiftConv2d(ShiftLayer, nn.Conv2d):
    """nn.Conv2d with power-of-two weights: all of its arguments and a Setting's fields.

    ShiftConv2d(3, 16, 3, method="ps", bits=5)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        setting = take_setting_from(kwargs)
        super().__init__(*args, **kwargs)
        self.take_setting(setting)
        self.reset_parameters()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(fixed_point(x, self.input_format), self.weight_for_forward(), self.effective_bias)


class ShiftLinear(ShiftLayer, nn.Linear):
    """nn.Linear with power-of-two weights: all of its arguments and a Setting's fields.

    ShiftLinear(64, 10, method="q", bits=5)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        setting = take_setting_from(kwargs)
        super().__init__(*args, **kwargs)
        self.take_setting(setting)
        self.reset_parameters()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(fixed_point(x, self.input_format), self.weight_for_forward(), self.effective_bias)


def take_setting_from(arguments: dict[str, Any]) -> Setting:
    """The Setting that the arguments hold, as `setting` or field by field; they keep what is torch's."""
    setting = arguments.pop("setting", None)
    given = {name: arguments.pop(name) for name in FIELDS if name in arguments}
    if setting is not None and given:
        raise ValueError(f"setting= and {', '.join(given)}: give a Setting or its fields, not both")
    return setting or Setting(**given)
