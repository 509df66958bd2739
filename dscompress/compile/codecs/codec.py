"""codec: what every codec gives, and what it makes of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dsruntime.forms import Codes, Raw, Shift, form_of


@dataclass(frozen=True)
class Encoded:
    """A stored weight. data are its bytes in the file; note says why a multiplied weight stayed raw."""

    codec: str
    data: memoryview
    order: tuple[int, ...] | None = None
    shift: Shift | None = None
    note: str = ""

    @property
    def form(self) -> Raw | Codes:
        return form_of(self, self.data)


class Codec(NamedTuple):
    """encode proves that decode gives the tensor back, bit for bit (-0.0 as 0.0), or raises NotHeldError."""

    name: str
    encode: Callable[[np.ndarray, tuple[int, ...]], Encoded]  # the tensor, and the order to store it in
    decode: Callable[[Encoded, tuple[int, ...], np.dtype], np.ndarray]  # the tensor's shape and dtype


class NotHeldError(Exception):
    """Why a codec cannot hold a tensor, in plain words."""
