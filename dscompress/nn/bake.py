"""bake: a copy of a model in which each shift layer is a plain layer that holds the effective weight, ±2^k or 0.

    before   ShiftConv2d(shift, sign, bias)
    after    nn.Conv2d(weight = effective_weight, bias)

Everything else is shared, not copied: parameters and buffers are the original's own. Answers are equal bit for bit.
"""

import copy

from torch import nn

from dscompress.nn.layers import ShiftConv2d, ShiftLayer, ShiftLinear


def bake(model: nn.Module) -> nn.Module:
    # What deepcopy finds in the memo it takes as it is.
    memo: dict[int, object] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    for module in model.modules():
        if isinstance(module, ShiftLayer):
            memo[id(module)] = plain_layer(module)
    return copy.deepcopy(model, memo)


def plain_layer(layer: ShiftConv2d | ShiftLinear) -> nn.Conv2d | nn.Linear:
    shared = {"bias": layer.bias is not None, "device": "meta"}
    if isinstance(layer, ShiftConv2d):
        plain: nn.Conv2d | nn.Linear = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            padding_mode=layer.padding_mode,
            **shared,
        )
    else:
        plain = nn.Linear(layer.in_features, layer.out_features, **shared)
    plain.register_parameter("weight", nn.Parameter(layer.effective_weight.detach()))
    plain.register_parameter("bias", layer.bias)
    return plain.train(layer.training)
