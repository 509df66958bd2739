"""forms: what the stored bytes of a weight are. Who reads weights asks for the form; the codec's name is for people.

    Raw     the elements themselves
    Codes   a sign and a level for each, in planes (planes.py)

libdsf/src/codecs/form.h has the same forms. To add a codec: a function here, and its row in CODECS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Raw(NamedTuple):
    """data: the elements in C order, little-endian."""

    data: memoryview | bytes


class Codes(NamedTuple):
    """value = scale[c] * sign * 2^(base[c] - level), c the index in stored dimension 0. data: the planes."""

    data: memoryview | bytes
    order: tuple[int, ...] | None  # stored tensor = transpose(value, order); None: as the value's shape
    bits: int  # of a code, sign included
    zero: bool  # the highest level is the weight 0
    base: np.ndarray  # one entry, or one a channel
    scale: np.ndarray | None  # the same; None: all are 1

    def axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The axes of the value in stored order."""
        return tuple(self.order or range(len(shape)))


class Shift(NamedTuple):
    """The schema's table of that name."""

    bits: int
    zero: bool
    base: np.ndarray
    scale: np.ndarray | None


class Stored(Protocol):
    """What a file says of a weight; file.Weight has it."""

    @property
    def codec(self) -> str: ...
    @property
    def order(self) -> tuple[int, ...] | None: ...
    @property
    def shift(self) -> Shift | None: ...


def open_raw(weight: Stored, data: memoryview) -> Raw:
    return Raw(data)


def open_shift(weight: Stored, data: memoryview) -> Codes:
    assert weight.shift is not None
    return Codes(data, weight.order, *weight.shift)


CODECS: dict[str, Callable[[Stored, memoryview], Raw | Codes]] = {"raw": open_raw, "shift": open_shift}


def form_of(weight: Stored, data: memoryview) -> Raw | Codes:
    """data: the stored bytes, which libdsf has checked, or an encoder has made."""
    return CODECS[weight.codec](weight, data)
