"""Buffers in one piece of memory."""

import doctest
import random

import pytest

from dsruntime.plan import arena
from dsruntime.plan.arena import place
from dsruntime.plan.lives import Buffer


def test_examples():
    assert doctest.testmod(arena).failed == 0


@pytest.mark.parametrize("alignment", [1, 64, 256])
def test_two_living_buffers_are_never_in_one_place(alignment):
    choose = random.Random(1)
    for _ in range(200):
        buffers = []
        for _ in range(choose.randint(1, 30)):
            first = choose.randrange(20)
            buffers.append(Buffer(choose.randrange(1, 5000), first, first + choose.randrange(5)))
        size = place(buffers, alignment)
        for i, a in enumerate(buffers):
            assert a.offset % alignment == 0 and a.offset + a.bytes <= size
            for b in buffers[:i]:
                assert not a.overlaps(b) or a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset


def test_what_is_over_leaves_its_place():
    assert place([Buffer(1000, i, i) for i in range(50)], 256) == 1024
    assert place([Buffer(1000, i, i + 1) for i in range(50)], 256) == 2048
