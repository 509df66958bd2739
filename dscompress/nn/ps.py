"""ps: DeepShift-PS. Two float parameters a weight, `shift` P and `sign` S, rounded whenever they are used.

in place         P clamped to [lowest, 0]; S is never clamped
effective        W = s * 2^round(P)          round half to even;  s = 0 where |S| <= sign_threshold, else sgn(S)
stochastic       floor(P) + (1 with probability P - floor(P)) in place of round(P)
backward         dL/dP = dL/dW * W * ln 2,   dL/dS = dL/dW (without the factor 2^P)

bits     2       3       4       5        one sign bit, bits - 1 bits of level, one level spent on zero
lowest   0       -2      -6      -14

With a unit u, W = u * s * 2^round(P), and the gradients follow from dL/d(s * 2^round(P)) = u * dL/dW. Weights that
start from a float weight in a unit take the zero code where it is nearer; as published they never do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from dscompress.nn.nearest_power import stochastic_exponent

if TYPE_CHECKING:
    from dscompress.nn.layers import ShiftLayer  # which know the methods
    from dscompress.nn.setting import Setting  # which knows the methods

BITS = range(2, 6)
OFFSET = "none"
STOCHASTIC = True
SIGNS = ("sign",)
LINEAR_INPUT_IS_FLOAT = True
FLOORS_BIAS = False


def parameter_names(bits: int) -> tuple[str, ...]:
    return ("shift", "sign")


def shift_range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1) - 2), 0


def start_from_scratch(layer: ShiftLayer) -> None:
    """P ~ U(-10, -1) for a convolution, U(lowest, 0) for a linear layer; S ~ U(-1, 1): half of the weights are zero."""
    parameters = layer.weight_parameters()
    lowest, highest = (-10, -1) if isinstance(layer, nn.Conv2d) else shift_range(layer.setting.bits)
    nn.init.uniform_(parameters["shift"], lowest, highest)
    nn.init.uniform_(parameters["sign"], -1, 1)
    clamp_in_place(parameters, layer.setting, None)


def start_from_weight(weight: torch.Tensor, setting: Setting, unit: torch.Tensor | None) -> dict[str, torch.Tensor]:
    lowest, highest = shift_range(setting.bits)
    relative = weight.detach().float() if unit is None else weight.detach().float() / unit
    shift = torch.round(torch.log2(relative.abs())).clamp(lowest, highest)
    sign = torch.sign(relative) * max(1.0, 2 * setting.sign_threshold)
    if unit is not None:  # |S| passes the threshold where |w| is nearer to 2^lowest than to 0
        sign = sign * (relative.abs() * 2.0**-lowest).clamp(max=1.0)
    return {"shift": shift.to(weight.dtype), "sign": sign.to(weight.dtype)}


def clamp_in_place(parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None) -> None:
    # .data: the values that autograd may have saved stay valid, because clamping twice changes nothing.
    parameters["shift"].data.clamp_(*shift_range(setting.bits))


def effective_weight(
    parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None, training: bool = False
) -> torch.Tensor:
    stochastic = training and setting.rounding == "stochastic"
    lowest = shift_range(setting.bits)[0]
    shift, sign = parameters["shift"], parameters["sign"]
    code = SignTimesPowerOfTwo.apply(shift, sign, lowest, setting.sign_threshold, stochastic)
    return code if unit is None else unit * code


class SignTimesPowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, shift: torch.Tensor, sign: torch.Tensor, lowest: int, threshold: float, stochastic: bool
    ) -> torch.Tensor:
        clamped, signed = shift.float().clamp(lowest, 0), sign.float()
        rounded = stochastic_exponent(clamped) if stochastic else torch.round(clamped)
        ternary = torch.sign(signed) * (signed.abs() > threshold)
        weight = (ternary * torch.exp2(rounded)).to(shift.dtype)
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        return gradient * weight * math.log(2), gradient, None, None, None
