"""rounding: from what training left in a checkpoint to the weights that the network computed with.

    Q     clamp |w| to [2^lowest, 1], 0 stays 0;   W = sgn(w) * 2^round(ln|w| / ln 2)
    PS    clamp P to [lowest, 0];                  W = s * 2^round(P),  s = sgn(S) where |S| > threshold, else 0

Both round half to even. Q's logarithm and division are float32's, as in training: they decide the ties. PS's threshold
is 0.5, and strict. Powers are looked up, not computed, so that every weight is exact.

bits     2       3       4       5       6       7       8
Q        -1      -3      -7      -15     -31     -63     -127      lowest shift
PS       0       -2      -6      -14     -30     -62     -126
"""

from __future__ import annotations

import math

import torch

from dscompress.nn.nearest_power import FIRST_UP, nearest_power

BITS = range(2, 9)
SIGN_THRESHOLD = 0.5


def lowest_shift(method: str, bits: int) -> int:
    return -(2 ** (bits - 1) - (1 if method == "q" else 2))


def bits_for(method: str, lowest: int) -> int | None:
    """The fewest bits whose range goes down to `lowest`."""
    return next((bits for bits in BITS if lowest_shift(method, bits) <= lowest), None)


def q_shifts(weight: torch.Tensor) -> torch.Tensor:
    """round(log2|w|) before any clamp; -inf for a zero."""
    return torch.round(torch.log(weight.float().abs()) / math.log(2))


def round_q(weight: torch.Tensor, bits: int) -> torch.Tensor:
    weight = weight.float()
    lowest = lowest_shift("q", bits)
    clamped = weight.abs().clamp(2.0**lowest, 1.0)
    if lowest >= min(FIRST_UP):  # the rule of the layers, the same on every machine
        return nearest_power(torch.where(weight == 0, 0.0, torch.copysign(clamped, weight)))
    return torch.where(weight == 0, 0.0, torch.sign(weight) * power(q_shifts(clamped), lowest))


def round_ps(shift: torch.Tensor, sign: torch.Tensor, bits: int, threshold: float = SIGN_THRESHOLD) -> torch.Tensor:
    lowest = lowest_shift("ps", bits)
    rounded = torch.round(shift.float().clamp(lowest, 0))
    sign = torch.where(sign.abs() > threshold, torch.sign(sign), torch.zeros_like(sign)).float()
    return sign * power(rounded, lowest)


def power(shifts: torch.Tensor, lowest: int) -> torch.Tensor:
    """2^shift, exactly, for whole numbers in [lowest, 0]."""
    table = torch.tensor([2.0**shift for shift in range(lowest, 1)])
    return table[(shifts - lowest).int()]


def round_bias(bias: torch.Tensor) -> torch.Tensor:
    """What the original does to every bias of a shift layer before it evaluates: down to a multiple of 2^-16."""
    return torch.clamp(torch.floor(bias.float() * 2.0**16) / 2.0**16, -(2.0**15), 2.0**15 - 1)
