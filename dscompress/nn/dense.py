"""dense: DenseShift, no zeros, every code a sign and a nested exponent (ICCV 2023).

effective        W = sgn(a) * 2^t                    sgn(0) = 1
3 bits           t = ((b1 + 1) * b2 + 1) * b3,  b_i = [t_i > 0],  so W is one of ±1, ±2, ±4, ±8
b bits           t from 2^(b-1) - 1 nested decisions (levels.py), in 0..2^(b-1) - 1
backward         each decision passes its gradient as it is; products and 2^t follow the chain rule:
                 dL/da = dL/dW * 2^t,  dL/dt = dL/dW * W * ln 2

parameters       weight_sign a; weight_t1, weight_t2, ... from the innermost decision outwards

Codes reach above 1, so layers have a base for the tensor unless told otherwise (unit.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from dscompress.nn.levels import latents_for, nested_level, sign

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
    return ("weight_sign", *level_names(bits))


def level_names(bits: int) -> tuple[str, ...]:
    return tuple(f"weight_t{n}" for n in range(1, shift_range(bits)[1] + 1))


def shift_range(bits: int) -> tuple[int, int]:
    return 0, 2 ** (bits - 1) - 1


def start_from_scratch(layer: ShiftLayer) -> None:
    """Every parameter as a float layer's weight would start, each by itself."""
    for name in parameter_names(layer.setting.bits):
        nn.init.kaiming_normal_(getattr(layer, name))


def start_from_weight(weight: torch.Tensor, setting: Setting, unit: torch.Tensor | None) -> dict[str, torch.Tensor]:
    relative = weight.detach().float() if unit is None else weight.detach().float() / unit
    names = level_names(setting.bits)
    parameters = {"weight_sign": relative.clamp(-1, 1)}
    parameters |= zip(names, latents_for(torch.log2(relative.abs()), len(names)), strict=True)
    return {name: value.to(weight.dtype) for name, value in parameters.items()}


def clamp_in_place(parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None) -> None:
    """Nothing: decisions have no range."""


def effective_weight(
    parameters: dict[str, torch.Tensor], setting: Setting, unit: torch.Tensor | None, training: bool = False
) -> torch.Tensor:
    level = nested_level([parameters[name] for name in level_names(setting.bits)])
    code = sign(parameters["weight_sign"]) * torch.exp2(level)
    return code if unit is None else unit * code
