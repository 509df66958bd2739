"""round_in_place: latent parameters become what they stand for, as the published scripts do before they save weights.

    q       weight                  the effective weight, an exact power of two
    ps      shift, sign             round(P), and -1, 0 or 1 by the layer's sign_threshold
    others  bias                    in fixed point, 16 integer and 16 fraction bits, whatever the activations have

Effective weights stay what they were. Methods whose parameters are decisions (s3, dense) have nothing to round.
"""

import torch
from torch import nn

from dscompress.nn.fixed_point import fixed_point
from dscompress.nn.layers import ShiftLayer

BIAS_FORMAT = (16, 16)


@torch.no_grad()
def round_in_place(model: nn.Module, bias_format: tuple[int, int] | None = BIAS_FORMAT) -> None:
    """Rounds every shift layer of the model; bias_format (integer, fraction), or None to leave biases."""
    for layer in model.modules():
        if isinstance(layer, ShiftLayer):
            weight = layer.effective_weight
            if layer.method == "q":
                layer.weight.copy_(weight)
            if layer.method == "ps":
                layer.clamp_in_place()
                parameters = layer.weight_parameters()
                parameters["shift"].round_()
                full = max(1.0, 2 * layer.setting.sign_threshold)  # beyond the threshold, whatever it is
                parameters["sign"].copy_(torch.sign(weight) * full)
            if layer.bias is not None and bias_format is not None:
                layer.bias.copy_(fixed_point(layer.bias, bias_format))
