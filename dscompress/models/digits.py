"""digits: two small networks for images of 8x8 to 32x32 pixels, gray or colour.

    small_resnet       3 stages of 2 residual blocks (He et al. 2016), 16, 32, 64 channels: 175,000 parameters
    small_mobilenet    7 depthwise-separable blocks (Howard et al. 2017), 16 to 128 channels: 56,000 parameters

The first stage keeps the size of the image, the second and third halve it; a global mean follows, so any size fits.
"""

import torch
from torch import nn
from torch.nn import functional

# channels out per unit of width, stride
MOBILE_BLOCKS = ((2, 1), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (8, 1))


def convolution(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out))


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(channels, out, 3, stride)
        self.second = convolution(out, out, 3)
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else convolution(channels, out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.second(functional.relu(self.first(x))) + self.shortcut(x))


def small_resnet(classes: int = 10, channels: int = 1, width: int = 16, blocks: int = 2) -> nn.Module:
    stages: list[nn.Module] = []
    wide = width
    for stage in range(3):
        for block in range(blocks):
            out = width << stage
            stages.append(ResidualBlock(wide, out, stride=2 if stage and not block else 1))
            wide = out
    return nn.Sequential(
        convolution(channels, width, 3), nn.ReLU(), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(wide, classes),
    )  # fmt: skip


def small_mobilenet(classes: int = 10, channels: int = 1, width: int = 16) -> nn.Module:
    layers: list[nn.Module] = [convolution(channels, width, 3), nn.ReLU()]
    wide = width
    for factor, stride in MOBILE_BLOCKS:
        out = width * factor
        layers += [convolution(wide, wide, 3, stride, groups=wide), nn.ReLU(), convolution(wide, out, 1), nn.ReLU()]
        wide = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, classes))
