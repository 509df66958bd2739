"""arena: buffers with lives into one piece of memory: the largest first, each at the lowest place that is free
throughout its life."""

from __future__ import annotations

from collections.abc import Sequence

from dsruntime.plan.lives import Buffer


def place(buffers: Sequence[Buffer], alignment: int) -> int:
    """Sets the offsets, multiples of the alignment; the arena's size.

    >>> a, b, c = Buffer(512, 0, 1), Buffer(256, 1, 2), Buffer(512, 2, 3)
    >>> place([a, b, c], 256), a.offset, b.offset, c.offset
    (768, 0, 512, 0)
    """
    placed: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: -b.bytes):
        offset = 0
        for other in sorted((o for o in placed if o.overlaps(buffer)), key=lambda o: o.offset):
            if other.offset - offset >= rounded(buffer.bytes, alignment):
                break
            offset = max(offset, other.offset + rounded(other.bytes, alignment))
        buffer.offset = offset
        placed.append(buffer)
    return max((b.offset + rounded(b.bytes, alignment) for b in placed), default=0)


def rounded(bytes: int, alignment: int) -> int:
    return -(-max(bytes, 1) // alignment) * alignment
