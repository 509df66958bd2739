"""Small networks of the families that the zoo has, as .dsf files of 5-bit shift weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import dscompress
from dscompress.nn import bake, convert
from dsruntime import Model


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride) -> None:
        super().__init__()
        self.one, self.two = conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3)
        self.short = conv(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.two(F.relu(self.one(x))) + self.short(x))


class Inverted(nn.Module):
    """MobileNet's: expand, depthwise, squeeze and excite, project."""

    def __init__(self, channels, wide) -> None:
        super().__init__()
        self.expand, self.depth = conv(channels, wide, 1), conv(wide, wide, 3, groups=wide)
        self.down, self.up = nn.Conv2d(wide, 8, 1), nn.Conv2d(8, wide, 1)
        self.project = conv(wide, channels, 1)

    def forward(self, x):
        y = F.relu6(self.depth(F.hardswish(self.expand(x))))
        gate = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1)))))
        return x + self.project(F.silu(y * gate))


class Attention(nn.Module):
    def __init__(self, width, heads) -> None:
        super().__init__()
        self.heads, self.norm, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = torch.softmax(q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5, -1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 32)), nn.Parameter(torch.randn(1, 10, 32) * 0.1)
        self.layers = nn.Sequential(Attention(32, 4), Attention(32, 4))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


class Branches(nn.Module):
    """Inception, DenseNet and ShuffleNet in one: concatenation, split, shuffled channels, pools, 1-d, resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = conv(3, 16, 3, 2), conv(8, 12, 1), conv(8, 12, 3, groups=4)
        self.up, self.head = nn.ConvTranspose2d(24, 8, 2, 2), nn.Linear(8 * 13, 10)

    def forward(self, x):
        x = self.stem(x)
        left, right = x.chunk(2, 1)
        x = torch.cat([self.a(left), self.b(right)], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        x = torch.tanh(self.up(F.pad(x, (1, 0, 0, 1))))
        level = F.interpolate(F.leaky_relu(x), (7, 7), mode="bilinear").mean((1, 2, 3), keepdim=True)
        x = F.interpolate(x, scale_factor=0.5, mode="bilinear") - level
        x = F.max_pool1d(x.mean(2), 2, 1, 1)
        return self.head(torch.cat([x.flatten(1), x.flatten(1)], 1)[:, : 8 * 13])


def conv(inputs, outputs, kernel, stride=1, groups=1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


def residual() -> nn.Module:
    return nn.Sequential(
        conv(3, 16, 7, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        Residual(16, 16, 1),
        Residual(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def mobile() -> nn.Module:
    return nn.Sequential(
        conv(3, 16, 3, 2),
        nn.Hardswish(),
        Inverted(16, 40),
        Inverted(16, 24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


NETWORKS = {"residual": residual, "mobile": mobile, "transformer": Transformer, "branches": Branches}
SIZES = {"residual": 32, "mobile": 20, "transformer": 24, "branches": 24}


def network(name: str, method: str = "ps") -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    net = NETWORKS[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    net, _ = convert(net, method, 5)
    return bake(net).eval(), torch.randn(3, 3, SIZES[name], SIZES[name])


def compiled(name: str, method: str = "ps") -> tuple[Model, np.ndarray]:
    """The model, and a batch of three for it."""
    net, x = network(name, method)
    return Model.open(dscompress.compile_model(net, input_shape=tuple(x[:1].shape)).data), x.numpy()
