"""raw: the tensor in C order, little-endian, in its own dtype, whatever its values."""

from __future__ import annotations

import numpy as np

from dscompress.compile.codecs.codec import Codec, Encoded


def encode(tensor: np.ndarray, order: tuple[int, ...] = ()) -> Encoded:
    little = np.ascontiguousarray(tensor, dtype=tensor.dtype.newbyteorder("<"))
    return Encoded(RAW.name, little.reshape(-1).view(np.uint8).data)


def decode(encoded: Encoded, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.frombuffer(encoded.data, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape)


RAW = Codec("raw", encode, decode)
