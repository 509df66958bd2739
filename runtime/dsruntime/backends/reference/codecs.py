"""Stored bytes to arrays in NumPy: the oracle of libdsf's decoders.

raw     the tensor in C order, little-endian
shift   value = scale[c] * sign * 2^(base[c] - level), c the index in stored dimension 0

A shift weight of n entries is planes of bits, each plane at a multiple of 64 bytes:

sign plane     1 bit per weight, 1 is negative
level planes   6-bit codes: 4 + 1, 5: 4, 4: 2 + 1, 3: 2, 2: 1, 1: none; the low bits of a level come first

In a plane of p bits weight i sits at bit (i * p) % 8 of byte (i * p) // 8, low bits first. With `zero`, a level
whose bits are all set is the weight 0.
"""

import numpy as np

PLANES = {1: (), 2: (1,), 3: (2,), 4: (2, 1), 5: (4,), 6: (4, 1)}


def decode(graph, weight):
    """The weight in its value's shape and dtype."""
    value = graph.values[weight.value]
    stored = np.frombuffer(graph.stored(weight), np.uint8)
    if weight.codec == "raw":
        dtype = np.dtype(value.dtype).newbyteorder("<")
        return stored.view(dtype).reshape(value.shape).astype(value.dtype)
    order = weight.order or range(len(value.shape))
    stored_shape = [value.shape[axis] for axis in order]
    return np.transpose(decode_shift(stored, stored_shape, weight.shift), np.argsort(order))


def decode_shift(stored, shape, shift):
    signs, levels = codes(stored, int(np.prod(shape)), shift.bits)
    signs, levels = signs.reshape(shape), levels.reshape(shape)
    per_channel = (-1, *[1] * (len(shape) - 1))
    power = np.ldexp(np.float32(1), shift.base.reshape(per_channel).astype(np.int32) - levels)
    scale = np.float32(1) if shift.scale is None else shift.scale.reshape(per_channel)
    values = np.where(signs == 1, -(scale * power), scale * power)
    if shift.zero:
        values = np.where(levels == (1 << shift.bits - 1) - 1, np.float32(0), values)
    return values.astype(np.float32)


def codes(stored, count, bits):
    """Signs (0 or 1) and levels of all weights, in stored order."""
    signs = read_plane(stored, 0, count, 1)
    levels = np.zeros(count, np.uint8)
    at, low = plane_bytes(count, 1), 0
    for width in PLANES[bits]:
        at = (at + 63) // 64 * 64
        levels |= read_plane(stored, at, count, width) << low
        at += plane_bytes(count, width)
        low += width
    return signs, levels


def read_plane(stored, at, count, width):
    plane = stored[at : at + plane_bytes(count, width)]
    shifts = range(0, 8, width)
    return np.stack([plane >> shift & (1 << width) - 1 for shift in shifts], axis=1).reshape(-1)[:count]


def plane_bytes(count, width):
    return (count * width + 7) // 8
