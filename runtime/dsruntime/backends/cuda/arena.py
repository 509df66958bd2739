"""arena: buffers with lifetimes into one piece of memory: the largest first, each at the lowest place that is free
throughout its life."""

from __future__ import annotations

from dataclasses import dataclass

ALIGNMENT = 256


@dataclass
class Buffer:
    """bytes; first and last: the steps between which they are needed; address: of constants, at once, of others later.

    offset: in the arena; None for a constant.
    """

    bytes: int
    first: int
    last: int
    address: int = 0
    offset: int | None = None


def place(buffers: list[Buffer]) -> int:
    """Sets the offsets; the arena's size.

    >>> a, b, c = Buffer(512, 0, 1), Buffer(256, 1, 2), Buffer(512, 2, 3)
    >>> place([a, b, c]), a.offset, b.offset, c.offset
    (768, 0, 512, 0)
    """
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: -b.bytes):
        offset = 0
        for other in sorted((o for o in placed if overlaps(o, buffer)), key=lambda o: o.offset or 0):
            start = other.offset or 0
            if start - offset >= rounded(buffer.bytes):
                break
            offset = max(offset, start + rounded(other.bytes))
        buffer.offset = offset
        placed.append(buffer)
    return max(((b.offset or 0) + rounded(b.bytes) for b in placed), default=0)


def overlaps(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last


def rounded(bytes: int) -> int:
    return -(-max(bytes, 1) // ALIGNMENT) * ALIGNMENT
