"""prelu: x, or slope · x where x < 0; the slope broadcasts to x"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("slope a channel", (ints(2, 3, 4, 5), ints(3, 1, 1)), weights=(1,), batch=True),
    Case("one slope", (ints(2, 3, 4), floats(0.25)), weights=(1,), batch=True),
    Case("scalar slope", (ints(2, 3), np.array(-2, np.float32)), weights=(1,)),
    Case("slope of the whole shape", (ints(1, 3, 4), ints(3, 4, seed=1)), weights=(1,), batch=True),
    Case("slope as an input", (ints(2, 3), ints(2, 3, seed=1))),
    Case("rows and columns", (ints(2, 3, 4), ints(3, 1, seed=1)), weights=(1,)),
    Case("rounded", (normals(3, 31, 7), normals(31, 1)), weights=(1,), batch=True, exact=False),
    Case("edges", (floats(0.0, -0.0, np.inf, -np.inf, np.nan), floats(0.5)), weights=(1,)),
]

REFUSED = [
    Case("unknown attribute", (normals(3), normals(3)), {"alpha": 1.0}, mentions="alpha"),
    Case("no slope", (normals(3),), mentions="input"),
    Case("slope wider than x", (normals(3), normals(2, 3)), mentions="(2, 3)"),
    Case("slope that does not broadcast", (normals(2, 3), normals(2)), mentions="(2,)"),
    Case("int64 slope", (normals(2), indices(1, 2)), mentions="int64"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("prelu", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("prelu", case)
