"""Small data and a small net: a few milliseconds a step."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dscompress.training import in_memory
from dscompress.training.data import Tensors


def bars(count: int, seed: int) -> Tensors:
    """Noisy 8x8 images of one bright row (class 0), column (1) or diagonal (2)."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.rand(count, 1, 8, 8, generator=generator)
    targets = torch.arange(count) % 3
    for index in range(count):
        at = int(torch.randint(8, (), generator=generator))
        match int(targets[index]):
            case 0:
                images[index, 0, at] += 0.7
            case 1:
                images[index, 0, :, at] += 0.7
            case 2:
                images[index, 0].diagonal().add_(0.7)
    return Tensors(images, targets)


@pytest.fixture(scope="session")
def data():
    return in_memory(bars(90, 0), bars(45, 1), ["row", "column", "diagonal"])


def net(classes: int = 3, norm: bool = True) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU(),
        nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Linear(128, classes),
    )  # fmt: skip


def write_pictures(folder, count: int) -> None:
    """PNGs of 8x8 gray pixels in three classes."""
    scans = bars(count, 2)
    for index, target in enumerate(scans.targets.tolist()):
        inside = folder / ("row", "column", "diagonal")[target]
        inside.mkdir(parents=True, exist_ok=True)
        pixels = (scans.images[index, 0].clamp(0, 1) * 255).numpy().astype(np.uint8)
        Image.fromarray(pixels).save(inside / f"{index:02}.png")


@pytest.fixture
def pictures(tmp_path):
    write_pictures(tmp_path / "pictures", 18)
    return tmp_path / "pictures"
