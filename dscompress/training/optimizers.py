"""optimizers: a recipe's optimiser over the groups of dscompress.nn.parameter_groups, and its rate at every moment."""

import torch
from torch import nn

from dscompress.errors import TrainingError
from dscompress.nn import parameter_groups
from dscompress.recipes import Recipe, rate_factor


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    groups = parameter_groups(model, recipe.weight_decay, sign_lr=recipe.sign_rate)
    if not groups:
        raise TrainingError(type(model).__name__, "it has no parameters to train")
    match recipe.optimizer:
        case "sgd":
            made: torch.optim.Optimizer = torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum)
        case "radam":
            made = torch.optim.RAdam(groups, lr=recipe.rate, decoupled_weight_decay=True)  # as DeepShift's own RAdam
        case "adam":
            made = torch.optim.Adam(groups, lr=recipe.rate)
        case "adamw":
            made = torch.optim.AdamW(groups, lr=recipe.rate)
    for group in made.param_groups:
        group["full_lr"] = group["lr"]
    return made


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> float:
    """The schedule holds for every group, in proportion to its own rate; returns the recipe's rate at this moment."""
    factor = rate_factor(recipe, epoch)
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * factor
    return recipe.rate * factor
