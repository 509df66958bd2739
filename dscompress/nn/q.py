"""q: DeepShift-Q. One float parameter, `weight`, rounded to a power of two whenever it is used.

in place         0 < |w| < 2^lowest  ->  2^lowest,   |w| > 1  ->  1,   the sign kept; 0.0 stays 0.0
effective        W = sgn(w) * 2^round(ln|w| / ln 2)          round half to even, in float32: nearest_power.py
stochastic       W = sgn(w) * 2^(floor(v) + (1 with probability v - floor(v))),   v = log2|w|
backward         dL/dw = dL/dW, through the rounding and the clamp

conversion       the bias is floored to the format of the activations, if they have one

bits     2       3       4       5        one sign bit, bits - 1 bits of shift; no code for zero
lowest   -1      -3      -7      -15

With a unit u the same holds for w / u: w itself stays in the weight's own units, W = u * Q(w / u), and a trained u gets
dL/du = sum of dL/dW * (Q(w / u) - w / u).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from dscompress.nn.nearest_power import nearest_power, nearest_power_by_comparing, stochastic_exponent

if TYPE_CHECKING:
    from dscompress.nn.layers import ShiftLayer  # which know the methods
    from dscompress.nn.setting import Setting  # which knows the methods

BITS = range(2, 6)
OFFSET = "none"
STOCHASTIC = True
SIGNS = ()
LINEAR_INPUT_IS_FLOAT = False
FLOORS_BIAS = True


def parameter_names(bits: int) -> tuple[str, ...]:
    return ("weight",)


def shift_range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1) - 1), 0


def start_from_scratch(layer: ShiftLayer) -> None:
    """A float layer's own initialisation, which rounding follows."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
    clamp_in_place({"weight": layer.weight}, layer.setting, None)


def start_from_weight(weight: torch.Tensor, setting: Setting, unit: torch.Tensor | None) -> dict[str, torch.Tensor]:
    parameters = {"weight": weight.detach().clone()}
    clamp_in_place(parameters, setting, unit)
    return parameters


def clamp_in_place(parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None) -> None:
    # .data: the values that autograd may have saved stay valid, because clamping twice changes nothing.
    weight = parameters["weight"].data
    weight.copy_(clamp(weight, 2.0 ** shift_range(setting.bits)[0], unit))


def effective_weight(
    parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None, training: bool = False
) -> torch.Tensor:
    lowest, stochastic = shift_range(setting.bits)[0], training and setting.rounding == "stochastic"
    weight = parameters["weight"]
    if unit is None:
        return RoundToPowerOfTwo.apply(weight, lowest, stochastic)
    return unit * RoundToPowerOfTwo.apply(weight / unit, lowest, stochastic)


def clamp(weight: torch.Tensor, lowest: float, unit: torch.Tensor | None = None) -> torch.Tensor:
    """|w| into [lowest * unit, unit], zeros and signs as they are."""
    if unit is None:
        magnitude = weight.abs().clamp_(lowest, 1.0)
    else:
        unit = unit.detach()
        magnitude = torch.minimum(torch.maximum(weight.abs(), unit * lowest), unit)
    return torch.where(weight == 0, weight, torch.copysign(magnitude, weight))


class RoundToPowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight: torch.Tensor, lowest: int, stochastic: bool) -> torch.Tensor:
        if torch.compiler.is_exporting():
            return nearest_power_by_comparing(weight.float(), lowest).to(weight.dtype)
        clamped = clamp(weight.float(), 2.0**lowest)
        if stochastic:
            exponent = stochastic_exponent(torch.log2(clamped.abs()))  # -inf for a zero, and 2^-inf is 0
            return (torch.sign(clamped) * torch.exp2(exponent)).to(weight.dtype)
        return nearest_power(clamped).to(weight.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient, None, None
