"""digits: scikit-learn's 1,797 scanned digits of 8x8 pixels, gray, ten classes; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import torch

from dscompress.errors import BackendError
from dscompress.training.data import Data, Tensors, fingerprint
from dsruntime.image import RECIPES

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits(held_out: float = 0.2, seed: int = 0) -> Data:
    """Pixels in [0, 1]; `held_out` of each class, chosen by the seed, is what the network is judged on."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise BackendError(
            "digits", "scikit-learn, which holds them, is not installed", "", 'pip install "dscompress[train]"'
        ) from None
    scans = load_digits()
    images = (scans.images / 16).astype(np.float32)[:, None]
    targets = scans.target.astype(np.int64)
    parts = train_test_split(images, targets, test_size=held_out, stratify=targets, random_state=seed)
    train_x, held_x, train_y, held_y = map(torch.from_numpy, parts)
    train, held = Tensors(train_x, train_y), Tensors(held_x, held_y)
    return Data("digits", train, held, CLASSES, (1, 1, 8, 8), RECIPES["digits"], fingerprint(train, held))
