"""Scales: the factor of each output channel that makes the codes fit best.

The error of a scale is sum over k of importance_k * (w_k - scale * code_k)^2. importance is what a rounding error of
column k costs: H_kk, or C_kk^2 (rounding.py) where later columns make up for the rest. A grid of eighths of an octave
is tried below the largest weight; the best is then improved by turns: codes for the scale, least squares for the codes.
"""

from __future__ import annotations

import torch

from dscompress.ptq.codebook import Codebook

STEPS = 8  # candidates an octave
ABOVE = 4  # candidates above the largest weight: half an octave
OCTAVES_FEW, OCTAVES = 5, 2  # below it; few levels cannot afford the long tail of a distribution
FEW_LEVELS = 4
TURNS = 3


def best_scales(weight: torch.Tensor, importance: torch.Tensor, book: Codebook) -> tuple[torch.Tensor, torch.Tensor]:
    """weight [groups, K, rows], importance [groups, K]: scale and error, [groups, rows]; 1 where a row is all zeros."""
    largest = weight.abs().amax(1)
    largest = torch.where(largest < torch.finfo(torch.float32).tiny * 2**40, 1.0, largest)
    best, least = largest, error_of(weight, largest, importance, book)
    octaves = OCTAVES_FEW if book.levels <= FEW_LEVELS else OCTAVES
    for step in range(-ABOVE, octaves * STEPS):
        scale = largest * 2.0 ** (-step / STEPS)
        error = error_of(weight, scale, importance, book)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    for _ in range(TURNS):
        scale = least_squares(weight, book.round(weight / best[:, None]), importance, best)
        error = error_of(weight, scale, importance, book)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best, least


def error_of(weight: torch.Tensor, scale: torch.Tensor, importance: torch.Tensor, book: Codebook) -> torch.Tensor:
    units = weight / scale[:, None]
    wrong = units.sub_(book.round(units)).square_()
    return (importance[:, None] @ wrong).squeeze(1) * scale.square()


def least_squares(weight, codes, importance, otherwise) -> torch.Tensor:
    """The scale that fits given codes best; `otherwise` where no positive one does."""
    weighted = codes * importance[:, :, None]
    return ratio((weighted * weight).sum(1), (weighted * codes).sum(1), otherwise)


def ratio(above: torch.Tensor, below: torch.Tensor, otherwise: torch.Tensor) -> torch.Tensor:
    found = above / below
    return torch.where((below > 0) & (found > 0) & found.isfinite(), found, otherwise)
