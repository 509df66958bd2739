"""layer_normalization: (x - mean) / sqrt(variance + epsilon) · scale + bias over the axes from axis on"""

import pytest

from tests.support.cases import Case, check, check_refused, indices, normals

CASES = [
    Case(
        "last axis",
        (normals(2, 5, 16), normals(16, seed=1), normals(16, seed=2)),
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case("no bias", (normals(2, 5, 16), normals(16, seed=1)), weights=(1,), batch=True, exact=False),
    Case(
        "axis 1",
        (normals(2, 3, 4, 5), normals(3, 4, 5, seed=1), normals(3, 4, 5, seed=2)),
        {"axis": 1},
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case(
        "axis -2",
        (normals(2, 3, 4, 5), normals(4, 5, seed=1), normals(4, 5, seed=2)),
        {"axis": -2},
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case("axis 0", (normals(3, 4), normals(3, 4, seed=1)), {"axis": 0}, weights=(1,), exact=False),
    Case(
        "epsilon",
        (normals(4, 6), normals(6, seed=1), normals(6, seed=2)),
        {"epsilon": 0.5},
        weights=(1, 2),
        exact=False,
    ),
    Case(
        "odd length",
        (normals(3, 129), normals(129, seed=1), normals(129, seed=2)),
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case("far from zero", (normals(3, 64) + 10, normals(64, seed=1), normals(64, seed=2)), weights=(1, 2), exact=False),
    Case("length 1", (normals(3, 1), normals(1, seed=1), normals(1, seed=2)), weights=(1, 2), exact=False),
]

REFUSED = [
    Case("scale too long", (normals(2, 3), normals(4)), weights=(1,)),
    Case("axis too large", (normals(2, 3), normals(3)), {"axis": 2}, weights=(1,), mentions="axis"),
    Case("no scale", (normals(2, 3),), mentions="input"),
    Case("int64", (indices(1, 2, shape=(1, 2)), normals(2)), weights=(1,), mentions="int64"),
    Case("unknown attribute", (normals(2, 3), normals(3)), {"stash_type": 1}, weights=(1,), mentions="stash_type"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("layer_normalization", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("layer_normalization", case)
