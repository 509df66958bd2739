"""Stored bytes to arrays in NumPy: the oracle of libdsf's decoders.

raw     the tensor in C order, little-endian
shift   value = scale[c] * sign * 2^(base[c] - level), c the index in stored dimension 0

Signs and levels lie in planes (dsruntime/planes.py). With `zero`, a level whose bits are all set is the weight 0.
"""

from collections.abc import Sequence

import numpy as np

from dsruntime.file import Graph, Shift, Weight
from dsruntime.planes import Plane, planes


def decode(graph: Graph, weight: Weight) -> np.ndarray:
    """The weight in its value's shape and dtype."""
    value = graph.values[weight.value]
    stored = np.frombuffer(graph.stored(weight), np.uint8)
    if weight.shift is None:  # raw
        dtype = np.dtype(value.dtype).newbyteorder("<")
        return stored.view(dtype).reshape(value.shape).astype(value.dtype)
    order = weight.order or range(len(value.shape))
    stored_shape = [value.shape[axis] for axis in order]
    return np.transpose(decode_shift(stored, stored_shape, weight.shift), np.argsort(order))


def decode_shift(stored: np.ndarray, shape: Sequence[int], shift: Shift) -> np.ndarray:
    signs, levels = codes(stored, int(np.prod(shape)), shift.bits)
    signs, levels = signs.reshape(shape), levels.reshape(shape)
    per_channel = (-1, *[1] * (len(shape) - 1))
    power = np.ldexp(np.float32(1), shift.base.reshape(per_channel).astype(np.int32) - levels)
    scale = np.float32(1) if shift.scale is None else shift.scale.reshape(per_channel)
    values = np.where(signs == 1, -(scale * power), scale * power)
    if shift.zero:
        values = np.where(levels == (1 << shift.bits - 1) - 1, np.float32(0), values)
    return values.astype(np.float32)


def codes(stored: np.ndarray, count: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs (0 or 1) and levels of all weights, in stored order."""
    sign, *level = planes(count, bits)
    levels, low = np.zeros(count, np.uint8), 0
    for plane in level:
        levels |= read_plane(stored, plane, count) << low
        low += plane.width
    return read_plane(stored, sign, count), levels


def read_plane(stored: np.ndarray, plane: Plane, count: int) -> np.ndarray:
    """The fields of all weights in a plane, one after the other."""
    part = stored[plane.offset : plane.offset + plane.length]
    shifts = range(0, 8, plane.width)
    return np.stack([part >> shift & (1 << plane.width) - 1 for shift in shifts], axis=1).reshape(-1)[:count]
