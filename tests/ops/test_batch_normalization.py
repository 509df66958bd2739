"""batch_normalization: (x - mean) · scale / sqrt(var + epsilon) + bias, a channel at a time"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals


def statistics(channels):
    scale, bias, mean = (normals(channels, seed=seed) for seed in (1, 2, 3))
    return scale, bias, mean, np.abs(normals(channels, seed=4)) + 0.1


ALL = (1, 2, 3, 4)

CASES = [
    Case("images", (normals(2, 5, 4, 3), *statistics(5)), weights=ALL, batch=True, exact=False),
    Case("epsilon", (normals(2, 5, 4, 3), *statistics(5)), {"epsilon": 0.25}, weights=ALL, batch=True, exact=False),
    Case("rank 2", (normals(3, 7), *statistics(7)), weights=ALL, batch=True, exact=False),
    Case("rank 3", (normals(3, 7, 5), *statistics(7)), weights=ALL, batch=True, exact=False),
    Case("one channel, one pixel", (normals(1, 1, 1, 1), *statistics(1)), weights=ALL, batch=True, exact=False),
    Case("statistics as inputs", (normals(1, 3, 2, 2), *statistics(3)), exact=False, compiled=False),
    Case(
        "variance 0",
        (ints(1, 2, 2, 2), floats(1, 2), floats(0, 1), floats(0, 0), floats(0, 0)),
        weights=ALL,
        exact=False,
    ),
    Case("many channels", (normals(2, 67, 5, 5), *statistics(67)), weights=ALL, batch=True, exact=False),
]

REFUSED = [
    Case("scale too long", (normals(1, 3, 2), *statistics(4)), weights=ALL),
    Case("missing variance", (normals(1, 3, 2), *statistics(3)[:3]), weights=(1, 2, 3), mentions="input"),
    Case("rank 1", (normals(3), *statistics(3)), weights=ALL, mentions="rank"),
    Case("training", (normals(1, 3, 2), *statistics(3)), {"training_mode": 1}, weights=ALL, mentions="training_mode"),
    Case("epsilon an integer", (normals(1, 3, 2), *statistics(3)), {"epsilon": 1}, weights=ALL, mentions="epsilon"),
    Case("int64 mean", (normals(1, 1, 2), floats(1), floats(1), indices(1), floats(1)), weights=ALL, mentions="int64"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("batch_normalization", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("batch_normalization", case)
