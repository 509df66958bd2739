"""Networks for 32×32 images: ResNets, MobileNetV2 and VGG, with the layer names that their checkpoints have.

    resnet20 ... resnet1202    16, 32, 64 channels; shortcuts without weights
    resnet18, 34               64 ... 512 channels; the same shortcuts, where most others have a convolution
    resnet50, 101, 152         bottlenecks; a 1×1 convolution where shapes change
    mobilenetv2                strides of the first stages are 1, ReLU for ReLU6
    vgg11 ... vgg19            batch norm, one linear layer

A shortcut without weights, "option A" of the ResNet paper: every other pixel, and zero channels before and after.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class Subsample(nn.Module):
    """[n, c, h, w] → [n, c + 2 * added, h/2, w/2]: every other pixel, zeros for the channels that are new."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        same = stride == 1 and inputs == width
        self.shortcut = nn.Sequential() if same else Subsample(width // 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential() if same else projection(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Stages layer1, layer2, ...; each but the first halves the image. The mean over what is left goes to `linear`."""

    def __init__(self, block: type[Basic | Bottleneck], blocks: list[int], width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = len(blocks)
        inputs = width
        for stage, count in enumerate(blocks):
            layers = []
            for index in range(count):
                layers.append(block(inputs, width << stage, 2 if stage and not index else 1))
                inputs = (width << stage) * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.linear(x.mean((2, 3)))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.residual = stride == 1
        self.shortcut = nn.Sequential()
        if self.residual and inputs != outputs:
            self.shortcut = projection(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return y + self.shortcut(x) if self.residual else y


class MobileNetV2(nn.Module):
    # expansion, outputs, blocks, stride of the first
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        inputs, blocks = 32, []
        for expansion, outputs, count, stride in self.STAGES:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, outputs, expansion, 1 if index else stride))
                inputs = outputs
        self.layers = nn.Sequential(*blocks)
        self.conv2 = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280)
        self.linear = nn.Linear(1280, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(functional.relu(self.bn1(self.conv1(x))))
        x = functional.relu(self.bn2(self.conv2(x)))
        return self.linear(x.mean((2, 3)))


class VGG(nn.Module):
    """blocks: convolutions before each of four poolings, and after the last."""

    def __init__(self, blocks: list[int], classes: int) -> None:
        super().__init__()
        inputs = 3
        layers: list[nn.Module] = []
        for index, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512, 512), strict=True)):
            layers += [nn.MaxPool2d(2)] if index else []
            for _ in range(count):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.feature(x).mean((2, 3)))


class ProjectedResNet20(nn.Module):
    """ShiftAddNet's resnet20: convolutions in the shortcuts, a 1×1 convolution and a batch norm for the classes."""

    class Block(nn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample = projection(inputs, width, stride) if stride > 1 else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = functional.relu(self.bn1(self.conv1(x)))
            return functional.relu(self.bn2(self.conv2(y)) + (x if self.downsample is None else self.downsample(x)))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(self.Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(self.Block(16, 32, 2), self.Block(32, 32, 1), self.Block(32, 32, 1))
        self.layer3 = nn.Sequential(self.Block(32, 64, 2), self.Block(64, 64, 1), self.Block(64, 64, 1))
        self.fc = nn.Conv2d(64, classes, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.bn2(self.fc(x.mean((2, 3), keepdim=True))).flatten(1)


def thin(depth: int) -> Callable[[int], nn.Module]:
    """Three stages of (depth - 2) / 6 blocks, from 16 channels."""
    return lambda classes: ResNet(Basic, [(depth - 2) // 6] * 3, 16, classes)


def wide(block: type[Basic | Bottleneck], *blocks: int) -> Callable[[int], nn.Module]:
    return lambda classes: ResNet(block, list(blocks), 64, classes)


def vgg(*blocks: int) -> Callable[[int], nn.Module]:
    return lambda classes: VGG(list(blocks), classes)


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "resnet20": thin(20),
    "resnet32": thin(32),
    "resnet44": thin(44),
    "resnet56": thin(56),
    "resnet110": thin(110),
    "resnet18": wide(Basic, 2, 2, 2, 2),
    "resnet34": wide(Basic, 3, 4, 6, 3),
    "resnet50": wide(Bottleneck, 3, 4, 6, 3),
    "resnet101": wide(Bottleneck, 3, 4, 23, 3),
    "resnet152": wide(Bottleneck, 3, 8, 36, 3),
    "mobilenetv2": MobileNetV2,
    "vgg11": vgg(1, 1, 2, 2, 2),
    "vgg13": vgg(2, 2, 2, 2, 2),
    "vgg16": vgg(2, 2, 3, 3, 3),
    "vgg19": vgg(2, 2, 4, 4, 4),
    "resnet20_shift": ProjectedResNet20,
    "resnet1202": thin(1202),
}
