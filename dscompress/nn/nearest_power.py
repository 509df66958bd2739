"""nearest_power: sgn(w) * 2^round(ln|w| / ln 2), half to even, every step rounded to float32.

The published rule takes float32's logarithm, which processors and libraries round differently in its last bit. Here it
is the correctly rounded one, so that a weight has the same code on every machine. The rule is monotonic: between 2^e
and 2^(e+1) it rounds up from one value on, 2^e * (1 + FIRST_UP[e] / 2^23), within a few units of the last place of
sqrt(2) * 2^e. tools/rounding_rule.py derives the table and proves it for every float32 from 2^-16 to 1.
"""

import torch

FIRST_UP = {
    -16: 3474684, -15: 3474667, -14: 3474684, -13: 3474667, -12: 3474681, -11: 3474670, -10: 3474681, -9: 3474670,
    -8: 3474676, -7: 3474676, -6: 3474677, -5: 3474674, -4: 3474677, -3: 3474675, -2: 3474676, -1: 3474676,
}  # fmt: skip

# What to add to a float32's bits so that its exponent field becomes the rounded one, by its exponent field.
BIAS, MANTISSA, SIGN_AND_EXPONENT = 127, 1 << 23, -(1 << 23)
CARRY = torch.zeros(256, dtype=torch.int32)
for exponent, first in FIRST_UP.items():
    CARRY[exponent + BIAS] = MANTISSA - first


def nearest_power(weight: torch.Tensor) -> torch.Tensor:
    """For float32 weights, clamped to 2^lowest <= |w| <= 1 or 0; a zero stays zero."""
    bits = weight.contiguous().view(torch.int32)
    carry = CARRY.to(weight.device)[(bits >> 23) & 255]
    rounded = carry.add_(bits).bitwise_and_(SIGN_AND_EXPONENT).view(torch.float32)
    return torch.where(weight.isnan(), weight, rounded)


def nearest_power_by_comparing(weight: torch.Tensor, lowest: int) -> torch.Tensor:
    """The same in operators that ONNX has, clamp included: the sum of the steps that |w| has passed, each sum exact."""
    magnitude = weight.abs()
    power = (magnitude > 0).to(weight.dtype) * 2.0**lowest
    for exponent in range(lowest, 0):
        threshold = 2.0**exponent * (1 + FIRST_UP[exponent] / MANTISSA)
        power = power + (magnitude >= threshold).to(weight.dtype) * 2.0**exponent
    return power * torch.sign(weight)


def stochastic_exponent(exponent: torch.Tensor) -> torch.Tensor:
    """floor(v), plus 1 with probability v - floor(v)."""
    below = torch.floor(exponent)
    return below + (torch.rand_like(exponent) < exponent - below).to(exponent.dtype)
