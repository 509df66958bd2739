"""Forms of weights to arrays in NumPy: the oracle of libdsf's decoding.

Raw     the tensor in C order, little-endian
Codes   value = scale[c] * sign * 2^(base[c] - level), c the index in stored dimension 0

Signs and levels lie in planes (dsruntime/planes.py). With `zero`, a level whose bits are all set is the weight 0.
"""

from collections.abc import Sequence

import numpy as np

from dsruntime.file import Graph, Weight
from dsruntime.forms import Codes, Raw
from dsruntime.planes import Plane, planes


def decode(graph: Graph, weight: Weight) -> np.ndarray:
    """The weight in its value's shape and dtype."""
    value, form = graph.values[weight.value], graph.form(weight)
    if isinstance(form, Raw):
        little = np.dtype(value.dtype).newbyteorder("<")
        return np.frombuffer(form.data, little).reshape(value.shape).astype(value.dtype)
    return decode_codes(form, value.shape)


def decode_codes(codes: Codes, shape: Sequence[int]) -> np.ndarray:
    """The value of Codes; shape: its own."""
    order = codes.axes(shape)
    stored_shape = [shape[axis] for axis in order]
    signs, levels = (part.reshape(stored_shape) for part in signs_and_levels(codes, int(np.prod(shape))))
    per_channel = (-1, *[1] * (len(shape) - 1))
    power = np.ldexp(np.float32(1), codes.base.reshape(per_channel).astype(np.int32) - levels)
    scale = np.float32(1) if codes.scale is None else codes.scale.reshape(per_channel)
    values = np.where(signs == 1, -(scale * power), scale * power)
    if codes.zero:
        values = np.where(levels == (1 << codes.bits - 1) - 1, np.float32(0), values)
    return np.transpose(values.astype(np.float32), np.argsort(order))


def signs_and_levels(codes: Codes, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs (0 or 1) and levels of all weights, in stored order."""
    stored = np.frombuffer(codes.data, np.uint8)
    sign, *level = planes(count, codes.bits)
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
