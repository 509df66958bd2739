"""The ledger accounts for every byte, and its entropy is that of the codes."""

import math

import numpy as np
import pytest

from dsruntime import Model
from dsruntime.ledger import ledger
from tests.dsruntime.models import classifier, two_in_two_out
from tests.support.dsf_files import build, shift_weight


@pytest.mark.parametrize("data", [classifier(), two_in_two_out()])
def test_rows_sum_to_the_file(data):
    rows = ledger(Model.open(data))
    assert sum(row.bytes for row in rows) == len(data)
    assert math.isclose(sum(row.share for row in rows), 1)
    assert all(row.bytes >= 0 for row in rows)


def test_a_row_for_each_weight():
    prefix, graph, shift, raw, padding = ledger(Model.open(classifier()))
    assert (prefix.section, prefix.bytes, graph.section, padding.section) == ("prefix", 64, "graph", "padding")
    assert (shift.name, shift.shape, shift.dtype, shift.codec, shift.bytes) == ("w", (2, 3), "float32", "shift", 66)
    assert shift.bits_per_weight == 66 * 8 / 6
    assert (raw.codec, raw.bits_per_weight, raw.entropy, raw.bytes, raw.note) == ("raw", 32, None, 8, "no shift tensor")


@pytest.mark.parametrize(
    "levels, signs, expected",
    [
        ([0] * 8, [0] * 8, 0),
        ([0, 1] * 4, [0] * 8, 1),
        ([0, 0, 1, 1] * 2, [0, 1] * 4, 2),
        ([0, 0, 0, 1], [0] * 4, 2 - 0.75 * math.log2(3)),
    ],
)
def test_entropy_of_the_codes(levels, signs, expected):
    data = build(
        values=[{"name": "x", "shape": [1]}, {"name": "w", "shape": [1, len(levels)]}],
        weights=[shift_weight("w", levels, signs, bits=5)],
        inputs=["x"],
        outputs=["w", "x"],
    )
    row = next(row for row in ledger(Model.open(data)) if row.section == "weight")
    assert row.entropy == pytest.approx(expected)


def test_entropy_of_gaussian_codes_is_below_the_bits():
    weights = np.random.default_rng(0).normal(size=40_000)
    levels = np.clip(np.round(-np.log2(np.abs(weights))) + 2, 0, 15).astype(int)
    data = build(
        values=[{"name": "x", "shape": [1]}, {"name": "w", "shape": [4, 10_000]}],
        weights=[shift_weight("w", levels, weights < 0, bits=5)],
        inputs=["x"],
        outputs=["w", "x"],
    )
    row = next(row for row in ledger(Model.open(data)) if row.section == "weight")
    assert 5 <= row.bits_per_weight < 5.02
    assert 3 < row.entropy < 4
