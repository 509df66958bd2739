"""bake: a copy of a model in which each shift layer is a plain layer that holds the effective weight, unit * ±2^k or 0.

    before   ShiftConv2d(shift, sign, bias)
    after    nn.Conv2d(weight = effective_weight, bias)

With fixed-point activations the layer becomes a FixedInputConv2d or FixedInputLinear, which rounds its input first.
Everything else is shared, not copied: parameters and buffers are the original's own. Answers are equal bit for bit.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dscompress.nn.copied import copied
from dscompress.nn.fixed_point import fixed_point
from dscompress.nn.layers import ShiftConv2d, ShiftLinear


class FixedInputConv2d(nn.Conv2d):
    """nn.Conv2d of its input in the fixed-point format `input_format`."""

    input_format: tuple[int, int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(fixed_point(x, self.input_format), self.weight, self.bias)


class FixedInputLinear(nn.Linear):
    """nn.Linear of its input in the fixed-point format `input_format`."""

    input_format: tuple[int, int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(fixed_point(x, self.input_format), self.weight, self.bias)


def bake(model: nn.Module) -> nn.Module:
    # What deepcopy finds in the memo it takes as it is.
    memo: dict[int, object] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    for module in model.modules():
        if isinstance(module, ShiftConv2d | ShiftLinear):
            memo[id(module)] = plain_layer(module)
    return copied(model, memo)


def plain_layer(layer: ShiftConv2d | ShiftLinear) -> nn.Conv2d | nn.Linear:
    shared: dict[str, Any] = {"bias": layer.bias is not None, "device": "meta"}
    if isinstance(layer, ShiftConv2d):
        shared |= {"kernel_size": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
        shared |= {"dilation": layer.dilation, "groups": layer.groups, "padding_mode": layer.padding_mode}
        convolution = FixedInputConv2d if layer.input_format else nn.Conv2d
        plain: nn.Conv2d | nn.Linear = convolution(layer.in_channels, layer.out_channels, **shared)
    else:
        plain = (FixedInputLinear if layer.input_format else nn.Linear)(layer.in_features, layer.out_features, **shared)
    if layer.input_format and isinstance(plain, FixedInputConv2d | FixedInputLinear):
        plain.input_format = layer.input_format
    plain.register_parameter("weight", nn.Parameter(layer.effective_weight.detach()))
    plain.bias = plain_bias(layer)
    return plain.train(layer.training)


def plain_bias(layer: ShiftConv2d | ShiftLinear) -> torch.Tensor | None:
    bias = layer.effective_bias
    return bias if bias is None or bias is layer.bias else nn.Parameter(bias.detach())
