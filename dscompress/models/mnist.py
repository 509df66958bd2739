"""Networks for 28×28 digits in gray: three linear layers, or two convolutions and two linear layers.

Both give log-probabilities. Dropout between the linear layers does nothing after training and is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class LinearMnist(nn.Module):
    """784 → 512 → 512 → classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, 512)
        self.fc2 = nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.fc1(x.flatten(1)))
        x = functional.relu(self.fc2(x))
        return functional.log_softmax(self.fc3(x), 1)


class ConvMnist(nn.Module):
    """28×28 → 20 × 24×24 → 12×12 → 50 × 8×8 → 4×4 → 800 → 500 → classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return functional.log_softmax(self.fc2(x), 1)


MODELS: dict[str, Callable[[int], nn.Module]] = {"simple_linear": LinearMnist, "simple_conv": ConvMnist}
