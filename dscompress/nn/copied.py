"""copied: a deep copy of a model in which a forward() has left tensors with a history, as weight_norm's does.

copy.deepcopy refuses such tensors; here the copy gets their values. The next forward() computes them anew.
"""

import copy

import torch
from torch import nn


def copied(model: nn.Module, memo: dict[int, object] | None = None) -> nn.Module:
    """memo: id of an object → what stands in for it, as copy.deepcopy takes it."""
    held = [value for child in model.modules() for value in vars(child).values() if isinstance(value, torch.Tensor)]
    computed = {id(tensor): tensor.detach().clone() for tensor in held if not tensor.is_leaf}
    return copy.deepcopy(model, {**computed, **(memo or {})})
