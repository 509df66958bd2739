"""Drift is followed where the inputs confirm it, and only there."""

import torch

from dscompress.ptq.drift import followed
from dscompress.ptq.statistics import Statistics


def halves(x, wanted):
    result = []
    for part in range(2):
        rows = x[:, part::2], wanted[:, part::2]
        square, vector = torch.zeros(1, x.shape[2], x.shape[2]), torch.zeros(1, x.shape[2])
        found = Statistics(square, square.clone(), vector, vector.clone())
        found.add(*rows)
        result.append(found)
    return tuple(result)


def test_a_linear_drift_is_undone():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2000, 16, generator=random)
    wanted = x @ (torch.eye(16) + 0.1 * torch.randn(16, 16, generator=random))
    weight = torch.randn(1, 16, 3, generator=random)
    target = wanted @ weight
    before, after = ((x @ w - target).square().sum() for w in (weight, followed(weight, halves(x, wanted))))
    assert after < 0.05 * before


def test_noise_is_not_fitted():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 60, 40, generator=random)
    weight = torch.randn(1, 40, 3, generator=random)
    moved = followed(weight, halves(x, x + 0.3 * torch.randn(1, 60, 40, generator=random))) - weight
    assert moved.abs().max() < 0.02 * weight.abs().max()


def test_without_drift_the_weight_is_the_target():
    x, weight = torch.randn(1, 50, 8), torch.randn(1, 8, 3)
    assert followed(weight, halves(x, x)) is weight
