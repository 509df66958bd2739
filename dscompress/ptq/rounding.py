"""Rounding a matrix to codes so that the layer's output, not the weight, changes little.

T holds the weights in units of their row's scale, Q the codes, E = T - Q, H the second moments of the inputs:

    error of a row    e H e^T = |e C|^2 = sum over k of C_kk^2 (e_k + sum over j > k of e_j C_jk / C_kk)^2

with H = C C^T, C lower triangular. So from the last column to the first, q_k is what is nearest to

    T_k + sum over j > k of e_j C_jk / C_kk

and only the rounding itself is left over: GPTQ (arXiv 2210.17323), said with one Cholesky factor instead of an inverse.
Columns are sorted so that the strongest inputs are rounded first, when all others can still make up for it.

sweep() then asks of every weight again, all others being what they are, which code is best (coordinate descent).

Matrices are [groups, K, rows], transposed, so that a column is contiguous; H and C are [groups, K, K].
"""

from __future__ import annotations

import torch

from dscompress.ptq.codebook import Codebook

BLOCK = 128  # columns whose corrections are applied one by one; what follows gets them all at once, by a matrix product


def compensated(target: torch.Tensor, factor: torch.Tensor, book: Codebook) -> torch.Tensor:
    """The codes for T, column by column, each making up for the errors of those before."""
    feedback = factor / factor.diagonal(dim1=1, dim2=2).unsqueeze(1)
    wanted, codes = target.clone(), torch.empty_like(target)
    for begin, end in blocks(target.shape[1]):
        for k in range(end - 1, begin - 1, -1):
            codes[:, k] = book.round(wanted[:, k])
            error = target[:, k] - codes[:, k]
            wanted[:, begin:k].baddbmm_(feedback[:, k, begin:k, None], error[:, None])
        errors = target[:, begin:end] - codes[:, begin:end]
        wanted[:, :begin].baddbmm_(feedback[:, begin:end, :begin].mT, errors)
    return codes


def sweep(target: torch.Tensor, codes: torch.Tensor, moment: torch.Tensor, book: Codebook) -> int:
    """Changes the codes in place where another one is better; returns how many."""
    diagonal = moment.diagonal(dim1=1, dim2=2)
    changed = 0
    for begin, end in blocks(target.shape[1]):
        pull = moment[:, begin:end] @ (target - codes)  # H e, for the columns of this block
        for k in range(end - 1, begin - 1, -1):
            best = book.round(codes[:, k] + pull[:, k - begin] / diagonal[:, k, None])
            step = best - codes[:, k]
            changed += int(step.count_nonzero())
            codes[:, k] = best
            pull.baddbmm_(moment[:, begin:end, k, None], step[:, None], alpha=-1)
    return changed


def blocks(columns: int) -> list[tuple[int, int]]:
    """(begin, end), the last block first."""
    return [(max(end - BLOCK, 0), end) for end in range(columns, 0, -BLOCK)]


def row_errors(errors: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
    """e H e^T of every row: [groups, K, rows] -> [groups, rows]."""
    return (errors * (moment @ errors)).sum(1).clamp_min(0)
