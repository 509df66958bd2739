"""Small models that the capture tests build, save and name with --model tests.capture.models:..."""

import torch
from torch import nn

from dscompress.nn import convert

SHAPE = "1,1,8,8"


def float_net(classes: int = 10) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, classes)
    )  # fmt: skip


def ps_net() -> nn.Module:
    return with_statistics(convert(float_net(), "ps", 5)[0])


def q_net() -> nn.Module:
    return with_statistics(convert(float_net(), "q", 5)[0])


def with_statistics(model: nn.Module) -> nn.Module:
    """A BatchNorm whose scale is no power of two, so that folding it does something."""
    norm = next(child for child in model.modules() if isinstance(child, nn.BatchNorm2d))
    norm.running_var.data = torch.tensor([0.3, 1.7, 5.0, 0.01])
    norm.running_mean.data = torch.tensor([0.1, -0.2, 0.3, 0.0])
    return model


def fails() -> nn.Module:
    raise RuntimeError("no weights on this machine")


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        y = self.conv(x)
        if y.sum() > 0:
            return y
        return -y


class FixedBatch(nn.Module):
    def forward(self, x):
        return x.reshape(2, 64)


class Untranslatable(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


def words_net() -> nn.Module:
    return nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2))


class TwoInputs(nn.Module):
    def forward(self, image, scale):
        return image * scale
