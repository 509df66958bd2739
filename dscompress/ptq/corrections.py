"""Corrections: what is put right after the weights, from the means and variances of a channel in both networks.

    bias          b + mean(float) - mean(quantised), of the layer's own output
    batch norm    mean     running_mean + mean(quantised) - mean(float), of its input
                  variance (running_var + epsilon) * var(quantised) / var(float) - epsilon

Both networks see the same inputs, so what the calibration inputs have that the training data had not cancels out: the
running statistics move only by what quantisation changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dscompress.ptq.flow import Pair

MOST_CHANGE = 16.0  # of a variance: a channel that is nearly constant says nothing


@dataclass(frozen=True)
class Moments:
    """Of one side, by channel."""

    mean: torch.Tensor
    variance: torch.Tensor


def moments(pairs: list[Pair], axis: int) -> tuple[Moments, Moments]:
    """Mean and variance by channel of the float side and of the quantised side, over all chunks, in float64."""
    return tuple(moments_of([getattr(pair, side) for pair in pairs], axis) for side in ("float", "quantised"))  # type: ignore[return-value]


def moments_of(chunks: list[torch.Tensor], axis: int) -> Moments:
    count, sums = 0, torch.zeros((), dtype=torch.float64)
    squares = sums
    for chunk in chunks:
        dims = [dim for dim in range(chunk.dim()) if dim != axis % chunk.dim()]
        rows = chunk.numel() // chunk.shape[axis]
        variance, mean = torch.var_mean(chunk, dims, correction=0)
        mean, variance = mean.double(), variance.double()
        count, sums = count + rows, sums + rows * mean
        squares = squares + rows * (variance + mean.square())
    mean = sums / count
    return Moments(mean, (squares / count - mean.square()).clamp_min(0))


def corrected_statistics(
    mean: torch.Tensor, variance: torch.Tensor, epsilon: float, wanted: Moments, found: Moments, variances: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """BatchNorm's running mean and variance for the quantised network; `variances`: not only the mean."""
    new_mean = (mean.double() + found.mean - wanted.mean).to(mean.dtype)
    if not variances:
        return new_mean, variance
    change = (found.variance / wanted.variance).nan_to_num(1.0, posinf=1.0).clamp(1 / MOST_CHANGE, MOST_CHANGE)
    new_variance = ((variance.double() + epsilon) * change - epsilon).clamp_min(0)
    return new_mean, new_variance.to(variance.dtype)
