"""planes: the bits of packed codes, as libdsf/src/codecs/planes.h says it; tests/dsruntime/test_facts.py compares them.

A code of b bits is a sign and a level of b - 1 bits. Bits of the same kind of all weights lie side by side:

    sign   1 bit a weight, 1 is negative
    low    the lower bits of the level, LOW_WIDTH[b] of them
    high   the bits above those, HIGH_WIDTH[b]

each plane at a multiple of 64 bytes. In a plane of p bits weight i sits at bit (i * p) % 8 of byte (i * p) // 8.
"""

from typing import NamedTuple

ALIGNMENT = 64
MAX_BITS = 6  # of a code, sign included
LOW_WIDTH = (0, 0, 1, 2, 2, 4, 4)
HIGH_WIDTH = (0, 0, 0, 0, 1, 0, 1)


class Plane(NamedTuple):
    offset: int  # bytes
    length: int  # bytes
    width: int  # bits a weight


def planes(size: int, bits: int) -> list[Plane]:
    """The planes of `size` codes: the sign's, and those that the level has, low bits first.

    >>> planes(1000, 3)
    [Plane(offset=0, length=125, width=1), Plane(offset=128, length=250, width=2)]
    """
    result, end = [], 0
    for width in (1, LOW_WIDTH[bits], HIGH_WIDTH[bits]):
        if width:
            offset = -(-end // ALIGNMENT) * ALIGNMENT
            result.append(Plane(offset, -(-size * width // 8), width))
            end = offset + result[-1].length
    return result


def planes_length(size: int, bits: int) -> int:
    """Bytes of all planes."""
    last = planes(size, bits)[-1]
    return last.offset + last.length
