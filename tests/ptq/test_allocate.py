"""Bits for a number of bytes: by hand, and never above it."""

import itertools

import pytest

from dscompress.errors import CompileError
from dscompress.ptq.allocate import allocate
from dscompress.ptq.sensitivity import Choice, LayerSensitivity


def layer(name, weights, effects):
    """effects at 2, 3, 4, 5 bits; a float choice is free of effect."""
    rows = zip((2, 3, 4, 5), effects, strict=True)
    choices = [Choice(bits, weights * bits // 8, effect, effect) for bits, effect in rows]
    return LayerSensitivity(name, "Conv2d", (weights,), weights, (*choices, Choice(None, 4 * weights, 0.0, 0.0)))


LAYERS = [
    layer("first", 80, (9.0, 3.0, 1.0, 0.9)),
    layer("middle", 800, (2.0, 0.5, 0.3, 0.3)),
    layer("last", 160, (4.0, 1.0, 0.5, 0.45)),
]


def used(plan):
    return sum(c.bytes for entry in LAYERS for c in entry.choices if c.bits == plan[entry.name])


def effect(plan):
    return sum(c.effect for entry in LAYERS for c in entry.choices if c.bits == plan[entry.name])


def test_the_fewest_bits_where_nothing_else_fits():
    assert allocate(LAYERS, 260, "net", "x") == {"first": 2, "middle": 2, "last": 2}


def test_more_bytes_never_make_it_worse_and_are_never_exceeded():
    effects = []
    for most in range(260, 4300, 20):
        plan = allocate(LAYERS, most, "net", "x")
        assert used(plan) <= most
        effects.append(effect(plan))
    assert effects[-1] == 0 and all(later <= earlier for earlier, later in itertools.pairwise(effects))


def test_the_best_of_all_plans():
    for most in (300, 400, 500, 900):
        plans = itertools.product((2, 3, 4, 5, None), repeat=3)
        plans = [dict(zip(("first", "middle", "last"), plan, strict=True)) for plan in plans]
        best = min(effect(plan) for plan in plans if used(plan) <= most)
        assert effect(allocate(LAYERS, most, "net", "x")) == pytest.approx(best)


def test_the_smallest_possible_is_named():
    with pytest.raises(CompileError, match="at least 2.00 bits a weight"):
        allocate(LAYERS, 259, "net", "a target")
    with pytest.raises(CompileError, match="at least 1,260 bytes, 1,000 of them"):
        allocate(LAYERS, 1200, "net", "a target", overhead=1000)
