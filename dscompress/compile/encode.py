"""Weights to codecs and back: a tensor that is multiplied is stored by the first of CODECS that holds it, others raw.

To add a codec: a file in codecs/, and its row here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dscompress.compile.codecs.codec import Encoded, NotHeldError
from dscompress.compile.codecs.raw import RAW
from dscompress.compile.codecs.shift import SHIFT

CODECS = (SHIFT, RAW)  # RAW holds everything


def encode(tensor: np.ndarray, order: tuple[int, ...] | None = None) -> Encoded:
    """Stores a tensor as codes if `order` is given and its values allow it, else as raw.

    >>> stored = encode(np.float32([[1.0, -0.5, 0.25, 0.0]]), (0, 1))
    >>> stored.codec, stored.shift.bits, stored.shift.base, bytes(stored.data[:1]), bytes(stored.data[64:])
    ('shift', 3, array([0], dtype=int8), b'\\x02', b'\\xe4')
    """
    reasons: list[str] = []
    for codec in CODECS if order is not None else (RAW,):
        try:
            return replace(codec.encode(tensor, order or ()), note="; ".join(reasons))
        except NotHeldError as reason:
            reasons.append(str(reason))
    raise AssertionError("raw holds everything")


def decode(encoded: Encoded, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The tensor back, in its own shape: the twin of encode()."""
    (codec,) = (codec for codec in CODECS if codec.name == encoded.codec)
    return codec.decode(encoded, shape, dtype)
