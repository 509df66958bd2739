"""s3: sign, sparse and shift, each a binary decision of its own float parameter (S3, NeurIPS 2021).

effective        W = sgn(a) * [v > 0] * 2^t          sgn(0) = 1
3 bits           t = [c > 0] * ([d > 0] + 1),  so W is one of 0, ±1, ±2, ±4
b bits           t from 2^(b-1) - 2 nested decisions (levels.py), in 0..2^(b-1) - 2
backward         each decision passes its gradient as it is; products and 2^t follow the chain rule:
                 dL/da = dL/dW * [v > 0] * 2^t,  dL/dv = dL/dW * sgn(a) * 2^t,  dL/dt = dL/dW * W * ln 2

parameters       weight_sign a, weight_val v, weight_shift c, weight_shift2 d, and so on inwards
regulariser      1e-5 * sum max(-v, 0), so that a weight that is zero stays near to coming back: regularize.py

Codes reach above 1, so layers have a base for the tensor unless told otherwise (unit.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from dscompress.nn.levels import latents_for, nested_level, sign, step

if TYPE_CHECKING:
    from dscompress.nn.layers import ShiftLayer  # which know the methods
    from dscompress.nn.setting import Setting  # which knows the methods

BITS = range(2, 5)
OFFSET = "tensor"
STOCHASTIC = False
SIGNS = ("weight_sign",)
LINEAR_INPUT_IS_FLOAT = False
FLOORS_BIAS = False


def parameter_names(bits: int) -> tuple[str, ...]:
    return ("weight_sign", "weight_val", *shift_names(bits))


def shift_names(bits: int) -> tuple[str, ...]:
    """From the outermost decision inwards."""
    return tuple("weight_shift" + (str(n) if n > 1 else "") for n in range(1, shift_range(bits)[1] + 1))


def shift_range(bits: int) -> tuple[int, int]:
    return 0, 2 ** (bits - 1) - 2


def start_from_scratch(layer: ShiftLayer) -> None:
    """Every parameter as a float layer's weight would start, each by itself: half of the weights are zero."""
    for name in parameter_names(layer.setting.bits):
        nn.init.kaiming_normal_(getattr(layer, name))


def start_from_weight(weight: torch.Tensor, setting: Setting, unit: torch.Tensor | None) -> dict[str, torch.Tensor]:
    relative = weight.detach().float() if unit is None else weight.detach().float() / unit
    names = shift_names(setting.bits)
    parameters = {"weight_sign": relative.clamp(-1, 1), "weight_val": (relative.abs() - 0.5).clamp(max=1)}
    parameters |= zip(reversed(names), latents_for(torch.log2(relative.abs()), len(names)), strict=True)
    return {name: parameters[name].to(weight.dtype) for name in parameter_names(setting.bits)}


def clamp_in_place(parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None) -> None:
    """Nothing: decisions have no range."""


def effective_weight(
    parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None, training: bool = False
) -> torch.Tensor:
    code = sign(parameters["weight_sign"]) * step(parameters["weight_val"])
    latents = [parameters[name] for name in reversed(shift_names(setting.bits))]
    if latents:
        code = code * torch.exp2(nested_level(latents))
    return code if unit is None else unit * code
