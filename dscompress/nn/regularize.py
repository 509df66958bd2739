"""What training adds to the loss, so that shift layers keep small weights: the caller multiplies and adds.

    loss = cross_entropy + weight_decay * shift_regularization(model) + 1e-5 * zero_regularization(model)

Both are sums over the layers of their method, a scalar tensor; 0 where a model has none.
"""

import torch
from torch import nn

from dscompress.nn.layers import ShiftLayer

ZERO_WEIGHT = 1e-5  # as published for S3


def shift_regularization(model: nn.Module) -> torch.Tensor:
    """0.5 * sum of (unit * 2^P)^2 over PS layers: P unrounded, signs ignored, so that zeros shrink too."""
    terms = []
    for layer in layers_of(model, "ps"):
        power, unit = torch.exp2(layer.weight_parameters()["shift"]), layer.unit
        power = power if unit is None else unit.detach() * power
        terms.append(0.5 * power.square().sum())
    return total(terms, model)


def zero_regularization(model: nn.Module) -> torch.Tensor:
    """sum of max(-v, 0) over S3 layers: v is what decides whether a weight is 0."""
    return total(
        [torch.relu(-layer.weight_parameters()["weight_val"]).sum() for layer in layers_of(model, "s3")], model
    )


def regularization(model: nn.Module, weight_decay: float) -> torch.Tensor:
    """What each method's authors add to the loss: weight_decay * shift_regularization + 1e-5 * zero_regularization."""
    return weight_decay * shift_regularization(model) + ZERO_WEIGHT * zero_regularization(model)


def layers_of(model: nn.Module, method: str) -> list[ShiftLayer]:
    return [module for module in model.modules() if isinstance(module, ShiftLayer) and module.method == method]


def total(terms: list[torch.Tensor], model: nn.Module) -> torch.Tensor:
    if terms:
        return torch.stack(terms).sum()
    like = next(model.parameters(), torch.zeros(()))
    return torch.zeros((), device=like.device)
