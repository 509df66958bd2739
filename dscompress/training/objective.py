"""objective: what a batch costs.

    loss = (1 - d) · CE(smoothed targets) + d · T² · KL(softmax(teacher / T) || softmax(logits / T))  +  regularisation

d is the recipe's `distill`, T its `temperature` (Hinton et al. 2015, arXiv 1503.02531). The regularisation belongs to
the methods: dscompress.nn.regularization.
"""

import torch
from torch.nn import functional

from dscompress.recipes import Recipe


def summed_loss(
    logits: torch.Tensor, targets: torch.Tensor, taught: torch.Tensor | None, recipe: Recipe
) -> torch.Tensor:
    """logits, taught [n, classes], targets [n] → the sum over the batch, float32; taught: the teacher's logits."""
    logits = logits.float()
    loss = functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=recipe.label_smoothing)
    if taught is None or not recipe.distill:
        return loss
    ours = functional.log_softmax(logits / recipe.temperature, 1)
    theirs = functional.log_softmax(taught.float() / recipe.temperature, 1)
    apart = functional.kl_div(ours, theirs, reduction="sum", log_target=True)
    return (1 - recipe.distill) * loss + recipe.distill * recipe.temperature**2 * apart
