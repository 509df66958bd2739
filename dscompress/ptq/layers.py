"""Layers that are converted, and their inputs as columns: a convolution is a matrix product over patches.

    weight [O, I/g, kh, kw]    as a matrix  [g, O/g, K]     K = I/g * kh * kw
    input  [N, I, h, w]        as columns   [g, rows, K]    one row for each output position looked at
    output [N, O, oh, ow]      y = matrix · column

To convert another kind, add its operator to KINDS with what turns its inputs into columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

aten = torch.ops.aten


@dataclass(frozen=True)
class Layer:
    """weight, bias: names in the state_dict. stride and so on are those of a convolution, one for each dimension."""

    name: str
    kind: str
    node: torch.fx.Node
    weight: str
    bias: str | None
    shape: tuple[int, ...]
    batch_norm: torch.fx.Node | None = None  # the only reader of its output
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()  # before and after, last dimension first, as functional.pad takes it
    dilation: tuple[int, ...] = ()
    groups: int = 1

    @property
    def matrix_shape(self) -> tuple[int, int, int]:
        """groups, outputs of a group, K."""
        columns = 1
        for dim in self.shape[1:]:
            columns *= dim
        return self.groups, self.shape[0] // self.groups, columns

    def as_matrix(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.reshape(self.matrix_shape)

    def as_weight(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix.reshape(self.shape)

    def columns(self, x: torch.Tensor, rows: int, generator: torch.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function that takes from x, or from another tensor of its shape, the same `rows` columns, or all."""
        return KINDS[self.node.target](self, x, rows, generator)


def linear_columns(layer: Layer, x: torch.Tensor, rows: int, generator: torch.Generator):
    count = x[..., 0].numel()
    chosen = choose(count, rows, generator)
    return lambda x: x.reshape(1, count, -1)[:, chosen]


def convolution_columns(layer: Layer, x: torch.Tensor, rows: int, generator: torch.Generator):
    kernel = layer.shape[2:]
    padded = [x.shape[2 + i] + sum(pads_of(layer, i)) for i in range(len(kernel))]
    sizes = [(padded[i] - layer.dilation[i] * (kernel[i] - 1) - 1) // layer.stride[i] + 1 for i in range(len(kernel))]
    positions = 1
    for size in sizes:
        positions *= size
    chosen = choose(positions, -(-rows // x.shape[0]), generator)
    index: Any = torch.unravel_index(chosen, sizes)

    def take(x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, layer.padding) if any(layer.padding) else x
        windows = patches(x, layer, sizes)[:, *index]  # [N, rows, I, *kernel]
        rows = windows.shape[0] * windows.shape[1]
        return windows.reshape(rows, layer.groups, -1).transpose(0, 1)

    return take


def pads_of(layer: Layer, dimension: int) -> tuple[int, ...]:
    first = 2 * (len(layer.shape) - 3 - dimension)
    return layer.padding[first : first + 2]


def patches(x: torch.Tensor, layer: Layer, sizes: list[int]) -> torch.Tensor:
    """A view [N, *positions, I, *kernel] of a padded input [N, I, *size]."""
    x = x.contiguous()
    (images, channels), steps = x.stride()[:2], x.stride()[2:]
    strides = [step * stride for step, stride in zip(steps, layer.stride, strict=True)]
    inside = [step * dilation for step, dilation in zip(steps, layer.dilation, strict=True)]
    shape = (x.shape[0], *sizes, x.shape[1], *layer.shape[2:])
    return x.as_strided(shape, (images, *strides, channels, *inside))


def choose(count: int, rows: int, generator: torch.Generator) -> torch.Tensor:
    """Which of `count` positions to look at: all, or `rows` of them at random."""
    if rows >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:rows]


KINDS: dict = {
    aten.linear.default: linear_columns,
    aten.conv1d.default: convolution_columns,
    aten.conv2d.default: convolution_columns,
    aten.conv1d.padding: convolution_columns,
    aten.conv2d.padding: convolution_columns,
}
