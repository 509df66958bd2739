"""Codebook: the powers of two that a code of some bits can say, and the one nearest to a number.

    codes      ±1, ±1/2, ... ±2^-(levels - 1), and 0 where there is a zero code; before the channel's scale

    bits                     2     3     4     5
    levels without zero      2     4     8    16
    levels with zero         1     3     7    15

    nearest    2^k up to 1.5 * 2^k, the middle between 2^k and 2^(k+1)
    log        2^k up to sqrt(2) * 2^k: log2 rounded, as DeepShift rounds; its errors are 0.4 dB larger

The thresholds are compared on the bits of float32: what lies above them carries into the exponent.
"""

from dataclasses import dataclass

import torch

from dscompress.compile.codecs.shift import levels
from dscompress.errors import CompileError

BITS = range(2, 6)

EXPONENT = 0x7F800000  # the exponent field of a float32
NEAREST = 1 << 22  # added to a significand from 1.5 on, it carries
LOG = (1 << 23) - 0x3504F3  # the same for sqrt(2) = 1.0110101...b


@dataclass(frozen=True)
class Codebook:
    """nearest: thresholds in the middle between two codes; else DeepShift's."""

    bits: int
    zero: bool
    nearest: bool = True

    @property
    def levels(self) -> int:
        return levels(self.bits, self.zero)

    @property
    def least(self) -> float:
        """The smallest magnitude but 0."""
        return 2.0 ** (1 - self.levels)

    def round(self, x: torch.Tensor) -> torch.Tensor:
        """The code for each number of a float32 tensor, in units of the scale; 0 has a sign and thus a code."""
        magnitude = x.abs()
        carried = magnitude.view(torch.int32) + (NEAREST if self.nearest else LOG)
        powers = carried.bitwise_and_(EXPONENT).view(torch.float32).clamp_(self.least, 1.0)
        if self.zero:
            powers.masked_fill_(magnitude < self.least / 2, 0.0)
        return powers.copysign_(x)


def check_bits(bits: int) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in BITS:
        raise CompileError("bits", repr(bits), f"{BITS[0]} to {BITS[-1]}", "more would gain nothing")
    return bits
