"""ps: DeepShift-PS. Two float parameters a weight, `shift` P and `sign` S, rounded whenever they are used.

in place         P clamped to [lowest, 0]; S is never clamped
effective        W = s * 2^round(P)          round half to even;  s = 0 where |S| <= 0.5, else sgn(S)
backward         dL/dP = dL/dW * W * ln 2,   dL/dS = dL/dW (without the factor 2^P)

bits     2       3       4       5        one sign bit, bits - 1 bits of level, one level spent on zero
lowest   0       -2      -6      -14
"""

import math

import torch
from torch import nn

PARAMETERS = ("shift", "sign")


def lowest_shift(bits: int) -> int:
    return -(2 ** (bits - 1) - 2)


def start_from_scratch(layer: nn.Conv2d | nn.Linear, bits: int) -> None:
    """P ~ U(-10, -1) for a convolution, U(lowest, 0) for a linear layer; S ~ U(-1, 1): half of the weights are zero."""
    if isinstance(layer, nn.Conv2d):
        nn.init.uniform_(layer.shift, -10, -1)
    else:
        nn.init.uniform_(layer.shift, lowest_shift(bits), 0)
    nn.init.uniform_(layer.sign, -1, 1)
    clamp_in_place(layer, bits)


def start_from_weight(weight: torch.Tensor, bits: int) -> dict[str, torch.Tensor]:
    weight = weight.detach()
    shift = torch.round(torch.log2(weight.abs().float())).clamp(lowest_shift(bits), 0)
    return {"shift": shift.to(weight.dtype), "sign": torch.sign(weight)}


def clamp_in_place(layer: nn.Module, bits: int) -> None:
    # .data: the values that autograd may have saved stay valid, because clamping twice changes nothing.
    layer.shift.data.clamp_(lowest_shift(bits), 0)


def effective_weight(layer: nn.Module, bits: int) -> torch.Tensor:
    return SignTimesPowerOfTwo.apply(layer.shift, layer.sign, lowest_shift(bits))


class SignTimesPowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx, shift: torch.Tensor, sign: torch.Tensor, lowest: int) -> torch.Tensor:
        rounded = torch.round(shift.float().clamp(lowest, 0))
        weight = (torch.sign(torch.round(sign.float())) * torch.exp2(rounded)).to(shift.dtype)
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        return gradient * weight * math.log(2), gradient, None
