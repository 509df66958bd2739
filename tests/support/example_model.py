"""A small shift network for digits, exported: what tests of packages and commands run."""

from pathlib import Path

import numpy as np


def write_example_model(folder: Path) -> Path:
    """Writes digits.dsf, with digits.npy (one input) and digits.pt2 (its source) beside it; returns the .dsf."""
    import torch
    from torch import nn

    import dscompress
    from dscompress.nn import convert

    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )
    net, _ = convert(net, "ps", 5)
    net.eval()
    path = folder / "digits.dsf"
    dscompress.compile_model(net, path, input_shape=(1, 1, 8, 8), labels=[str(digit) for digit in range(10)])
    np.save(path.with_suffix(".npy"), np.random.default_rng(0).random((1, 1, 8, 8), np.float32))
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), path.with_suffix(".pt2"))
    return path
