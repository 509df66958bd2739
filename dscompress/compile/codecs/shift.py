"""shift: tensors of which every value is a sign and a power of two, times a number of its channel; bit for bit.

A float32 tensor is a shift tensor when, inside each channel, all non-zero values have one significand and their
exponents span no more levels than a code of 6 bits holds:

    value = scale[c] * sign * 2^(base[c] - level)        c: index in dimension 0 of transpose(value, order)

    bits   levels without zero   levels with zero        with zero: the highest level code, all bits set, means 0
     1              1                   -
     2              2                   1
     3              4                   3
     4              8                   7
     5             16                  15
     6             32                  31

Signs and levels lie in planes, of which dsruntime/planes.py has the widths and places.

A multiplication by a power of two is exact, so a tensor that was +-2^k before a float scale per channel was folded into
it still is a shift tensor. -0.0 is stored as 0.0. Nothing is ever rounded: what decodes to other bits is not held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dscompress.compile.codecs.codec import Codec, Encoded, NotHeldError
from dsruntime.forms import Shift
from dsruntime.planes import MAX_BITS, planes, planes_length

CHUNK = 1 << 20  # elements looked at in one step: bounds the temporary memory, whatever the tensor's size
LEAST_NORMAL, MOST_NORMAL = -126, 127  # exponents of float32's normal numbers
LEAST_BASE, MOST_BASE = -128, 127  # int8
NO_EXPONENT = 1 << 16  # stands for "no value yet" in minima and, negative, in maxima


def encode(tensor: np.ndarray, order: tuple[int, ...]) -> Encoded:
    if tensor.dtype != np.float32:
        raise NotHeldError(f"its dtype is {tensor.dtype}, shift holds float32")
    if tensor.size == 0:
        raise NotHeldError("it has no elements")
    stored = np.transpose(tensor, order)
    shift, reference = choose(describe(stored))
    data = pack(stored, shift, reference)
    for rows, decoded in decode_rows(data, shift, stored.shape):
        if not np.array_equal(decoded, as_rows(stored, rows)):
            raise NotHeldError("its values leave the range that a float32 scale times a power of two can reach")
    return Encoded(SHIFT.name, memoryview(data), tuple(int(axis) for axis in order), shift)


def decode(encoded: Encoded, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    assert encoded.shift is not None and encoded.order is not None and dtype == np.float32
    stored = np.empty([shape[axis] for axis in encoded.order], np.float32)
    flat = stored.reshape(stored.shape[0], -1)
    for rows, decoded in decode_rows(encoded.data, encoded.shift, stored.shape):
        flat[rows] = decoded
    return stored.transpose(np.argsort(encoded.order))


@dataclass(frozen=True)
class Channels:
    """What the values of a tensor have in common, channel by channel; exponents are numpy.frexp's."""

    significand: np.ndarray  # 0.5 <= significand < 1; 0.5 where a channel is all zeros
    least: np.ndarray  # smallest exponent, NO_EXPONENT where a channel is all zeros
    most: np.ndarray  # largest exponent, -NO_EXPONENT where a channel is all zeros
    has_zero: bool
    size: int


def describe(stored: np.ndarray) -> Channels:
    """One pass over the values; stops at the first channel that is no shift channel."""
    channels = stored.shape[0]
    significand = np.full(channels, 0.5, np.float32)
    least = np.full(channels, NO_EXPONENT, np.int32)
    most = np.full(channels, -NO_EXPONENT, np.int32)
    has_zero = False
    for rows in chunks(stored.shape):
        values = as_rows(stored, rows)
        fractions, exponents = np.frexp(np.abs(values))
        if not np.isfinite(fractions).all():
            raise NotHeldError("it holds inf or nan")
        zeros = fractions == 0
        if zeros.any():
            has_zero = True
            highest = fractions.max(axis=1)
            lowest = np.where(zeros, np.float32(1), fractions).min(axis=1)
            highest[highest == 0] = 0.5
            lowest[lowest == 1] = 0.5
            least[rows] = np.where(zeros, NO_EXPONENT, exponents).min(axis=1)
            most[rows] = np.where(zeros, -NO_EXPONENT, exponents).max(axis=1)
        else:
            highest, lowest = fractions.max(axis=1), fractions.min(axis=1)
            least[rows], most[rows] = exponents.min(axis=1), exponents.max(axis=1)
        if (highest != lowest).any():
            row = int(np.argmax(highest != lowest))
            count = len(np.unique(np.abs(values[row][~zeros[row]])))
            found = f"channel {rows.start + row} holds {count} magnitudes"
            raise NotHeldError(f"{found} that are not one number times powers of two")
        significand[rows] = highest
    return Channels(significand, least, most, has_zero, stored.size)


def choose(found: Channels) -> tuple[Shift, np.ndarray]:
    """The smallest of the forms that hold the tensor, and each channel's exponent of level 0."""
    live = found.most > -NO_EXPONENT
    if not live.any():
        return Shift(2, True, np.zeros(1, np.int8), None), np.zeros(len(live), np.int32)
    least, most = int(found.least[live].min()), int(found.most[live].max())
    one_scale = bool((found.significand[live] == found.significand[live][0]).all())
    together = one_scale and smallest_bits(most - least + 1, found.has_zero)
    widest = int((found.most[live] - found.least[live]).max()) + 1
    apart = smallest_bits(widest, found.has_zero)

    forms = []  # bytes, then what is simplest
    if together:
        forms.append((planes_length(found.size, together), 0, together))
    if apart and one_scale:
        forms.append((planes_length(found.size, apart) + len(live), 1, apart))
    if apart and not one_scale:
        forms.append((planes_length(found.size, apart) + 4 * len(live), 2, apart))
    if not forms:
        most_levels = levels(MAX_BITS, found.has_zero)
        channel = int(np.argmax(np.where(live, found.most - found.least, -1)))
        raise NotHeldError(f"channel {channel} needs {widest} exponent levels, a code holds {most_levels}")
    _, form, bits = min(forms)

    scale = None if (found.significand[live] == 0.5).all() else 2 * found.significand[live][:1]
    top = np.where(live, found.most, most) - 1  # 2^top is level 0 before a scale
    if form == 0:
        top = np.full(len(live), most - 1)
    if form == 2:
        return with_scales(found, top, bits)
    base = np.clip(top, LEAST_BASE, MOST_BASE)
    stored = base[:1] if form == 0 else base
    return Shift(bits, found.has_zero, stored.astype(np.int8), scale), base


def with_scales(found: Channels, top: np.ndarray, bits: int) -> tuple[Shift, np.ndarray]:
    """A scale per channel takes the channel's exponent along, so that one base serves all; see also encode_shift()."""
    base = 0
    if top.min() < LEAST_NORMAL:
        base = max(int(top.min()) - LEAST_NORMAL, LEAST_BASE)
    exponents = np.clip(top - base, LEAST_NORMAL, MOST_NORMAL)
    scale = np.ldexp(2 * found.significand, exponents).astype(np.float32)
    return Shift(bits, found.has_zero, np.full(1, base, np.int8), scale), exponents + base


def levels(bits: int, zero: bool) -> int:
    """How many powers of two a code tells apart."""
    return 2 ** (bits - 1) - (1 if zero else 0)


def smallest_bits(count: int, zero: bool) -> int | None:
    """The fewest bits that tell `count` powers of two apart, or None."""
    return next((bits for bits in range(1, MAX_BITS + 1) if levels(bits, zero) >= count), None)


def chunks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows to look at in one step: multiples of 8, so that every chunk but the last fills whole bytes of a plane."""
    width = max(1, int(np.prod(shape[1:])))
    step = max(8, CHUNK // width // 8 * 8)
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))


def as_rows(stored: np.ndarray, rows: slice) -> np.ndarray:
    part = stored[rows]
    return np.ascontiguousarray(part).reshape(part.shape[0], -1)


def pack(stored: np.ndarray, shift: Shift, reference: np.ndarray) -> bytearray:
    """The planes. reference[c] is the exponent of level 0, the scale's own included: frexp's exponent minus one."""
    size = stored.size
    data = bytearray(planes_length(size, shift.bits))
    zero_code = 2 ** (shift.bits - 1) - 1
    width = size // stored.shape[0]
    for rows in chunks(stored.shape):
        values = as_rows(stored, rows)
        _, exponents = np.frexp(values)
        codes = reference[rows, None] + 1 - exponents
        if shift.zero:
            codes[values == 0] = zero_code
        codes = codes.astype(np.uint8).reshape(-1)
        start, low = rows.start * width, 0
        for plane, (offset, _, bits) in enumerate(planes(size, shift.bits)):
            if plane == 0:
                part = np.packbits((values < 0).reshape(-1), bitorder="little")
            else:
                part = pack_bits(codes >> low, bits)
                low += bits
            at = offset + start * bits // 8
            data[at : at + len(part)] = part.tobytes()
    return data


def decode_rows(data, shift: Shift, shape: tuple[int, ...]) -> Iterator[tuple[slice, np.ndarray]]:
    """The values again, chunk by chunk: float32(scale) * float32(+-2^(base - level)), as every reader computes them."""
    size = int(np.prod(shape))
    width = size // shape[0]
    for rows in chunks(shape):
        start, count = rows.start * width, (rows.stop - rows.start) * width
        codes, low = np.zeros(count, np.uint8), 0
        for plane, (offset, _, bits) in enumerate(planes(size, shift.bits)):
            at = offset + start * bits // 8
            part = np.frombuffer(data, np.uint8, -(-count * bits // 8), at)
            if plane == 0:
                negative = np.unpackbits(part, count=count, bitorder="little").astype(bool)
            else:
                codes |= unpack_bits(part, bits, count) << low
                low += bits
        base = shift.base if len(shift.base) == 1 else shift.base[rows]
        table = np.arange(2 ** (shift.bits - 1))
        powers = np.ldexp(np.float32(1), base[:, None].astype(np.int32) - table)  # [1 or rows, levels]
        if shift.scale is not None:
            powers = powers * (shift.scale if len(shift.scale) == 1 else shift.scale[rows])[:, None]
        if shift.zero:
            powers[:, -1] = 0
        codes = codes.reshape(-1, width)
        values = powers[0][codes] if len(powers) == 1 else np.take_along_axis(powers, codes.astype(np.intp), axis=1)
        np.negative(values, where=negative.reshape(values.shape), out=values)
        yield rows, values


def pack_bits(codes: np.ndarray, bits: int) -> np.ndarray:
    """The low `bits` bits (1, 2 or 4) of each code, low bits of a byte first."""
    if bits == 1:
        return np.packbits(codes & 1, bitorder="little")
    each = 8 // bits
    padded = np.zeros(-(-len(codes) // each) * each, np.uint8)
    padded[: len(codes)] = codes & (2**bits - 1)
    out = padded[0::each].copy()
    for i in range(1, each):
        out |= padded[i::each] << (i * bits)
    return out


def unpack_bits(plane: np.ndarray, bits: int, count: int) -> np.ndarray:
    """The twin of pack_bits()."""
    if bits == 1:
        return np.unpackbits(plane, count=count, bitorder="little")
    each = 8 // bits
    codes = np.empty(len(plane) * each, np.uint8)
    for i in range(each):
        codes[i::each] = (plane >> (i * bits)) & (2**bits - 1)
    return codes[:count]


SHIFT = Codec("shift", encode, decode)
