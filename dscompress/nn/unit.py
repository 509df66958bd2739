"""unit: what multiplies a layer's codes, so that weights may lie elsewhere than the published codes do.

    offset="tensor", "channel"     unit = 2^base         buffer `base`, int32 [1] or [out]; weights stay ±2^k
    scale="fixed", "trained"       unit = scale          `scale`, float [out], a buffer or a parameter

Both export exactly: a channel is a scale times powers of two. Both start where they lose least of a float weight:

    sum (w - unit * code(w / unit))^2     least, over the whole tensor or each output channel
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import nn

from dscompress.nn.setting import Setting

if TYPE_CHECKING:
    from dscompress.nn.layers import ShiftLayer  # which have units

BELOW_TOP = range(-1, 9)  # octaves of the largest magnitude below the largest code that are tried
MANTISSAS = [2 ** (-eighth / 8) for eighth in range(8)]
REFINEMENTS = 3  # least squares for given codes, then codes again
LEAST, MOST = 2.0**-60, 2.0**60  # a unit stays where unit * 2^k is normal in float32: the product is then exact


def unit_of(layer: ShiftLayer) -> torch.Tensor | None:
    """Of the shape [out, 1, ...] or [1, 1, ...], of the layer's dtype; None if codes stand for themselves."""
    setting = layer.setting
    if setting.offset != "none":
        dtype = getattr(layer, layer.parameter_names()[0]).dtype
        return column(torch.exp2(layer.base.to(dtype)), layer.weight_dimensions)
    if setting.scale != "none":
        return column(layer.scale, layer.weight_dimensions)
    return None


def column(values: torch.Tensor, dimensions: int) -> torch.Tensor:
    return values.reshape(-1, *[1] * (dimensions - 1))


def register_unit(layer: ShiftLayer, channels: int, like: torch.Tensor) -> None:
    if layer.setting.offset != "none":
        count = channels if layer.setting.offset == "channel" else 1
        layer.register_buffer("base", torch.zeros(count, dtype=torch.int32, device=like.device))
    if layer.setting.scale == "fixed":
        layer.register_buffer("scale", torch.ones(channels, dtype=like.dtype, device=like.device))
    if layer.setting.scale == "trained":
        layer.register_parameter("scale", nn.Parameter(torch.ones(channels, dtype=like.dtype, device=like.device)))


@torch.no_grad()
def fit_unit(weight: torch.Tensor, setting: Setting, method: ModuleType) -> torch.Tensor:
    """The unit, [out] or [1], of least squared error, for a setting that has one."""
    rows = weight.detach().float().flatten(1)
    if setting.offset == "tensor":
        rows = rows.reshape(1, -1)
    best = best_candidate(rows, setting, method)
    for _ in range(REFINEMENTS if setting.scale != "none" else 0):
        best = refine(rows, best, setting, method)
    return best.clamp_(LEAST, MOST)


def best_candidate(rows: torch.Tensor, setting: Setting, method: ModuleType) -> torch.Tensor:
    largest = rows.abs().amax(1) if rows.shape[1] else rows.new_zeros(len(rows))
    top = torch.floor(torch.log2(largest.clamp(LEAST, MOST)))
    mantissas = MANTISSAS if setting.scale != "none" else MANTISSAS[:1]
    best, least = torch.exp2(top), torch.full_like(top, torch.inf)
    for below in BELOW_TOP:
        for mantissa in mantissas:
            unit = torch.exp2(top - below - method.shift_range(setting.bits)[1]) * mantissa
            error = (rows - rounded(rows, unit, setting, method)).square().sum(1)
            best, least = torch.where(error < least, unit, best), torch.minimum(error, least)
    return best


def refine(rows: torch.Tensor, unit: torch.Tensor, setting: Setting, method: ModuleType) -> torch.Tensor:
    codes = rounded(rows, unit, setting, method) / unit[:, None]
    energy = codes.square().sum(1)
    better = (rows * codes).sum(1) / energy
    error = (rows - rounded(rows, unit, setting, method)).square().sum(1)
    gain = error - (rows - rounded(rows, better.clamp(LEAST, MOST), setting, method)).square().sum(1)
    return torch.where((energy > 0) & (gain > 0), better, unit)


def rounded(rows: torch.Tensor, unit: torch.Tensor, setting: Setting, method: ModuleType) -> torch.Tensor:
    """The rows as the method rounds them, each in its unit."""
    parameters = method.start_from_weight(rows, setting, unit[:, None])
    return method.effective_weight(parameters, setting, unit[:, None])
