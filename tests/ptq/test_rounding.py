"""Compensation and sweeps: what they promise about the error of the output."""

import itertools

import torch

from dscompress.ptq.codebook import Codebook
from dscompress.ptq.rounding import compensated, row_errors, sweep
from dscompress.ptq.scales import best_scales


def problem(groups=2, columns=24, rows=5, samples=80, seed=0):
    """T [groups, K, rows] and H of inputs that are strongly correlated."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(groups, columns, columns, generator=random)
    x = torch.randn(groups, samples, columns, generator=random) @ mix
    moment = x.mT @ x + 0.01 * torch.eye(columns)
    return torch.randn(groups, columns, rows, generator=random) * 0.3, moment


def test_the_error_is_what_the_formula_says():
    target, moment = problem()
    codes = Codebook(3, True).round(target)
    one = (target - codes)[1, :, 2]
    assert torch.allclose(row_errors(target - codes, moment)[1, 2], one @ moment[1] @ one, rtol=1e-4)


def test_independent_inputs_leave_nothing_to_make_up_for():
    target, book = problem()[0], Codebook(4, False)
    factor = torch.diag_embed(torch.rand(2, 24) + 0.5)
    assert torch.equal(compensated(target, factor, book), book.round(target))


def test_compensation_and_sweeps_make_the_error_smaller():
    target, moment = problem(columns=200, samples=400)  # more columns than a block has
    book = Codebook(4, True)
    plain = row_errors(target - book.round(target), moment)
    codes = compensated(target, torch.linalg.cholesky(moment), book)
    better = row_errors(target - codes, moment)
    assert better.mean() < 0.6 * plain.mean()
    for _ in range(3):
        before = row_errors(target - codes, moment)
        sweep(target, codes, moment, book)
        after = row_errors(target - codes, moment)
        assert (after <= before * (1 + 1e-4)).all()
    assert after.mean() < better.mean()
    assert torch.equal(codes, book.round(codes))


def test_close_to_the_best_of_all_codes():
    target, moment = problem(groups=1, columns=4, rows=6, samples=12)
    book = Codebook(3, True)
    values = [0.0, 1, -1, 0.5, -0.5, 0.25, -0.25]
    every = torch.tensor(list(itertools.product(values, repeat=4))).T[None]  # [1, 4, 7^4]
    best = torch.stack([row_errors(target[:, :, r, None] - every, moment).amin() for r in range(6)])
    codes = compensated(target, torch.linalg.cholesky(moment), book)
    sweep(target, codes, moment, book)
    found = row_errors(target - codes, moment)[0]
    assert (found >= best * (1 - 1e-3)).all()
    assert found.sum() < 2 * best.sum() < row_errors(target - book.round(target), moment).sum()


def test_a_scale_is_found_again():
    scale = torch.tensor([[0.013, 1.7, 0.4]])
    codes = Codebook(3, True).round(torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)))
    codes[0, 0] = 1.0
    found, error = best_scales(codes * scale[:, None], torch.ones(1, 50), Codebook(3, True))
    torch.testing.assert_close(found, scale, rtol=1e-5, atol=0)
    assert error.max() < 1e-9


def test_a_row_of_zeros_has_scale_1():
    found, error = best_scales(torch.zeros(1, 4, 2), torch.ones(1, 4), Codebook(3, True))
    assert found.tolist() == [[1, 1]] and error.tolist() == [[0, 0]]
