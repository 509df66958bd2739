"""drift: what a layer should aim at when its inputs x are no longer the x' that the float network has there.

W' = W + S makes W' x nearest to W x', over the inputs seen:

    S = W D (H + damping)^-1        D = sum (x' - x) x^T,  H = sum x x^T

A few hundred inputs can be fitted without anything learnt. So S is made from one half and judged on the other:

    |W (x' - x)|^2 - |W (x' - x) - S x|^2 = 2 tr(S D^T W^T) - tr(S H S^T)

is what it takes away there. The damping that takes away most, both ways round, is used for all; none, if none helps.
Matrices are transposed, [groups, K, rows], as in rounding.py.
"""

from __future__ import annotations

import torch

from dscompress.ptq.cholesky import cholesky, damped
from dscompress.ptq.statistics import Statistics

DAMPINGS = (0.1, 1.0, 10.0)


def followed(weight: torch.Tensor, halves: tuple[Statistics, Statistics]) -> torch.Tensor:
    """W', [groups, K, rows]."""
    if not any(bool(half.drift.any()) for half in halves):
        return weight
    damping = best_damping(weight, halves)
    return weight if damping is None else weight + step(weight, halves[0] + halves[1], damping)


def best_damping(weight: torch.Tensor, halves: tuple[Statistics, Statistics]) -> float | None:
    gains = {
        damping: sum(gain(weight, step(weight, half, damping), other) for half, other in (halves, halves[::-1]))
        for damping in DAMPINGS
    }
    best = max(gains, key=gains.__getitem__)
    return best if gains[best] > 0 else None


def step(weight: torch.Tensor, statistics: Statistics, damping: float) -> torch.Tensor:
    factor = cholesky(damped(statistics.second_moment, damping))
    return torch.cholesky_solve(statistics.drift.mT @ weight, factor)


def gain(weight: torch.Tensor, step: torch.Tensor, other: Statistics) -> float:
    """Noise over signal that the step takes away on inputs that it was not made from, summed over channels."""
    taken = (2 * (other.drift.mT @ weight) - other.second_moment @ step).mul_(step).sum(1)
    signal = (weight * (other.second_moment @ weight)).sum(1)
    return float((taken / signal.clamp_min(torch.finfo(torch.float32).tiny))[signal > 0].sum())
