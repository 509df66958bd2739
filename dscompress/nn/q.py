"""q: DeepShift-Q. One float parameter, `weight`, rounded to a power of two whenever it is used.

in place         0 < |w| < 2^lowest  ->  2^lowest,   |w| > 1  ->  1,   the sign kept; 0.0 stays 0.0
effective        W = sgn(w) * 2^round(ln|w| / ln 2)          round half to even, all in float32
backward         dL/dw = dL/dW, through the rounding and the clamp

bits     2       3       4       5        one sign bit, bits - 1 bits of shift; no code for zero
lowest   -1      -3      -7      -15
"""

import math

import torch
from torch import nn

PARAMETERS = ("weight",)


def lowest_shift(bits: int) -> int:
    return -(2 ** (bits - 1) - 1)


def start_from_scratch(layer: nn.Conv2d | nn.Linear, bits: int) -> None:
    """A float layer's own initialisation, which rounding follows."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
    clamp_in_place(layer, bits)


def start_from_weight(weight: torch.Tensor, bits: int) -> dict[str, torch.Tensor]:
    return {"weight": clamp(weight.detach().clone(), lowest_shift(bits))}


def clamp_in_place(layer: nn.Module, bits: int) -> None:
    # .data: the values that autograd may have saved stay valid, because clamping twice changes nothing.
    layer.weight.data.copy_(clamp(layer.weight.data, lowest_shift(bits)))


def effective_weight(layer: nn.Module, bits: int) -> torch.Tensor:
    return RoundToPowerOfTwo.apply(layer.weight, lowest_shift(bits))


def clamp(weight: torch.Tensor, lowest: int) -> torch.Tensor:
    magnitude = weight.abs().clamp(2.0**lowest, 1.0)
    return torch.where(weight == 0, weight, torch.copysign(magnitude, weight))


class RoundToPowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight: torch.Tensor, lowest: int) -> torch.Tensor:
        clamped = clamp(weight.float(), lowest)
        shift = torch.round(torch.log(clamped.abs()) / math.log(2))  # -inf for a zero, and 2^-inf is 0
        return (torch.sign(clamped) * torch.exp2(shift)).to(weight.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None
