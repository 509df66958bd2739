"""solve: one layer's weight matrix and what is known of its inputs become powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dscompress.ptq.cholesky import cholesky, damped
from dscompress.ptq.codebook import Codebook
from dscompress.ptq.drift import followed
from dscompress.ptq.rounding import compensated, row_errors, sweep
from dscompress.ptq.scales import best_scales, ratio
from dscompress.ptq.statistics import Statistics

DAMPING = 0.01  # of the mean of H's diagonal, added to it: inputs never seen count for a little
MANY_BITS = 4  # from here on one level more or less makes no difference, and a code for zero keeps zeros
ROUNDS = 2  # of: scale for the codes, codes for the scale


@dataclass(frozen=True)
class Solution:
    """matrix: scale * codes, exact in float32. error, signal: power of the output's error and of the output, by row."""

    matrix: torch.Tensor  # [groups, rows, K]
    bits: int
    zero: bool
    error: torch.Tensor  # [groups, rows]
    signal: torch.Tensor  # [groups, rows]

    @property
    def relative_error(self) -> float:
        """Noise over signal, the mean over channels that have a signal."""
        live = self.signal > 0
        return float((self.error[live] / self.signal[live]).mean()) if bool(live.any()) else 0.0


def solve(
    weight: torch.Tensor, halves: tuple[Statistics, Statistics], bits: int, ingredients: frozenset[str]
) -> Solution:
    """weight [groups, rows, K] -> powers of two times a scale for each row. halves: of the inputs."""
    original = weight.mT.contiguous()  # [groups, K, rows]
    statistics = halves[0] + halves[1]
    moment = damped(statistics.second_moment, DAMPING)
    order = moment.diagonal(dim1=1, dim2=2).argsort(dim=1)
    target = followed(original, halves) if "drift" in ingredients else original
    moment, target = permuted(moment, order), take(target, order)
    factor = cholesky(moment) if "compensate" in ingredients else None
    importance = (moment if factor is None else factor.square()).diagonal(dim1=1, dim2=2)

    book, scale = choose_book(target, importance, bits, ingredients)
    codes, scale = round_rows(target, scale, moment, factor, book, ingredients)
    rounded = put_back(codes * scale[:, None], order)
    plain = statistics.second_moment
    return Solution(
        matrix=rounded.mT.contiguous(),
        bits=bits,
        zero=book.zero,
        error=row_errors(rounded - original, plain),
        signal=row_errors(original, plain),
    )


def choose_book(target, importance, bits: int, ingredients: frozenset[str]) -> tuple[Codebook, torch.Tensor]:
    """With or without a code for zero, whichever gives the smaller error; and the rows' scales."""
    nearest = "nearest" in ingredients
    if "scale" not in ingredients:
        return Codebook(bits, bool((target == 0).any()), nearest), target.new_ones(target.shape[0], target.shape[2])
    books = [Codebook(bits, True, nearest)]
    if bits < MANY_BITS and not bool((target == 0).all(1).any()):
        books.append(Codebook(bits, False, nearest))
    found = [(book, *best_scales(target, importance, book)) for book in books]
    power = (importance[:, None] @ target.square()).squeeze(1).clamp_min(torch.finfo(torch.float32).tiny)
    book, scale, _ = min(found, key=lambda entry: float((entry[2] / power).sum()))
    return book, scale


def round_rows(target, scale, moment, factor, book: Codebook, ingredients) -> tuple[torch.Tensor, torch.Tensor]:
    if factor is None:
        return book.round(target / scale[:, None]), scale
    codes = compensated(target / scale[:, None], factor, book)
    for _ in range(ROUNDS):
        if "scale" in ingredients:
            pulled = moment @ codes
            scale = ratio((pulled * target).sum(1), (pulled * codes).sum(1), scale)
        if not sweep(target / scale[:, None], codes, moment, book):
            break
    return codes, scale


def permuted(moment: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    rows = moment.gather(1, order[:, :, None].expand_as(moment))
    return rows.gather(2, order[:, None, :].expand_as(moment))


def take(matrix: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return matrix.gather(1, order[:, :, None].expand_as(matrix))


def put_back(matrix: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(matrix).scatter_(1, order[:, :, None].expand_as(matrix), matrix)
