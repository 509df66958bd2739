"""chances: every random number of a training run, as a function of the seed, the epoch and the image's index.

So a run that is stopped and resumed meets the same numbers as one that was not, however many processes share the work.
"""

import random

import numpy as np
import torch

DRAWS = 10  # uniform numbers an image gets in an epoch; augment.py says which is for what


def number(*parts: int) -> int:
    """A well-mixed 63-bit seed for these whole numbers."""
    return int(np.random.SeedSequence([part & 0xFFFFFFFF for part in parts]).generate_state(1, np.uint64)[0] >> 1)


def generator(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(number(*parts))


def order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the images in an epoch, [count] int64."""
    return torch.randperm(count, generator=generator(seed, epoch, 0))


def draws(count: int, seed: int, epoch: int) -> torch.Tensor:
    """Uniform numbers in [0, 1) for the augmentation, [count, DRAWS]: row i belongs to image i."""
    return torch.rand(count, DRAWS, generator=generator(seed, epoch, 1))


def seed_everything(seed: int, epoch: int, rank: int) -> None:
    """What dropout, stochastic rounding and the like draw from, at the start of an epoch."""
    mixed = number(seed, epoch, 2, rank)
    torch.manual_seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)  # noqa: NPY002 (for what draws from the global generator)
    random.seed(mixed)
