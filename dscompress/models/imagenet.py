"""Networks for 224×224 images: two MobileNets of common checkpoints, and torchvision's networks by their names."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from dscompress.torchmodel.torchvision_models import with_torchvision

# torchvision's, of the families that power-of-two networks are trained in
TORCHVISION = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn "
    "alexnet googlenet densenet121 densenet161 densenet169 densenet201 mobilenet_v2 squeezenet1_0 squeezenet1_1 "
    "resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 shufflenet_v2_x0_5 shufflenet_v2_x1_0 "
    "mnasnet0_5 mnasnet1_0"
).split()


def unit(inputs: int, outputs: int, kernel: int, stride: int, groups: int, activation: type) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), activation()]


class MobileNetV1(nn.Module):
    """Depthwise-separable convolutions: model.0 is plain, model.1 ... model.13 have a depthwise and a 1×1 part."""

    STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))

    def __init__(self, classes: int) -> None:
        super().__init__()
        blocks, inputs = [nn.Sequential(*unit(3, 32, 3, 2, 1, nn.ReLU))], 32
        for outputs, stride in self.STAGES:
            depthwise = unit(inputs, inputs, 3, stride, inputs, nn.ReLU)
            blocks.append(nn.Sequential(*depthwise, *unit(inputs, outputs, 1, 1, 1, nn.ReLU)))
            inputs = outputs
        self.model = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.model(x).mean((2, 3)))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        widen = unit(inputs, width, 1, 1, 1, nn.ReLU6) if expansion > 1 else []
        depthwise = unit(width, width, 3, stride, width, nn.ReLU6)
        self.conv = nn.Sequential(*widen, *depthwise, nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 whose blocks are flat: features.1.conv.0, .1, .3, .4; torchvision's has conv.0.0 instead."""

    # expansion, outputs, blocks, stride of the first
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(*unit(3, 32, 3, 2, 1, nn.ReLU6))]
        inputs = 32
        for expansion, outputs, count, stride in self.STAGES:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, outputs, 1 if index else stride, expansion))
                inputs = outputs
        blocks.append(nn.Sequential(*unit(inputs, 1280, 1, 1, 1, nn.ReLU6)))
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def from_torchvision(name: str) -> Callable[[int], nn.Module]:
    return lambda classes: with_torchvision(lambda: built(name, classes))


def built(name: str, classes: int) -> nn.Module:
    """Without the two heads that googlenet has for training alone."""
    import torchvision

    settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(num_classes=classes, **settings)


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "mobilenetv1": MobileNetV1,
    "mobilenetv2": MobileNetV2,
    **{name: from_torchvision(name) for name in TORCHVISION},
}
