"""Nested binary levels: a whole number made of n binary decisions that are trained, as S3 and DenseShift do it.

    t = ((b1 + 1) * b2 + 1) * b3 ...         b_i = [latent_i > 0];  n latents give t in 0..n

Each b counts only if those after it are 1, so that 0 is one latent away from every number.
"""

from collections.abc import Sequence

import torch


def nested_level(latents: Sequence[torch.Tensor]) -> torch.Tensor:
    """t, from the innermost latent b1 to the outermost; gradients pass each step as they are."""
    level = step(latents[0])
    for latent in latents[1:]:
        level = (level + 1) * step(latent)
    return level


def latents_for(exponent: torch.Tensor, count: int) -> list[torch.Tensor]:
    """Latents, innermost first, whose nested level is `exponent` rounded (a half goes down), in 0..count.

    Each is the distance in octaves to where its decision changes.
    """
    return [(exponent - (level - 0.5)).clamp(-count, count) for level in range(count, 0, -1)]


def step(latent: torch.Tensor) -> torch.Tensor:
    """[x > 0] as a float; the gradient passes as it is."""
    return Decision.apply(latent, False)


def sign(latent: torch.Tensor) -> torch.Tensor:
    """+1 where x >= 0, else -1; the gradient passes as it is."""
    return Decision.apply(latent, True)


class Decision(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latent: torch.Tensor, signed: bool) -> torch.Tensor:
        if signed:
            return (latent >= 0).to(latent.dtype) * 2 - 1
        return (latent > 0).to(latent.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None
