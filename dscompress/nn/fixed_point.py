"""Fixed-point activations and biases, as DeepShift simulates them in floats.

    x -> clamp(floor(x * 2^f) / 2^f, -2^(i-1), 2^(i-1) - 1)

i counts the integer bits, the sign among them, f the fraction bits. The upper bound is a whole number: (3, 5) is
[-4, 3]. Rounding is downwards: -0.01 becomes -1/32. The gradient passes as it is, beyond the bounds too.
"""

import torch


def fixed_point(x: torch.Tensor, form: tuple[int, int] | None) -> torch.Tensor:
    """x as it is if form is None. Computed in float32 at least, returned in x's dtype."""
    return x if form is None else FixedPoint.apply(x, *form)


class FixedPoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor, integer: int, fraction: int) -> torch.Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        steps = (wide * 2.0**fraction).floor_().mul_(2.0**-fraction)
        return steps.clamp_(-(2.0 ** (integer - 1)), 2.0 ** (integer - 1) - 1).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient, None, None
