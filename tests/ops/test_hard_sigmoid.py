"""hard_sigmoid: clip(alpha · x + beta, 0, 1)"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("default", (normals(2, 3, 5),), batch=True, exact=False),
    Case("powers of two", (ints(31),), {"alpha": 0.25, "beta": 0.5}),
    Case("torch's alpha", (normals(65, scale=4.0),), {"alpha": 1 / 6, "beta": 0.5}, exact=False),
    Case("edges", (floats(0.0, -2.5, 2.5, 1e30, -1e30, np.inf, -np.inf),), {"alpha": 0.25}),
    Case("beta over 1", (ints(31),), {"alpha": 0.5, "beta": 2.0}),
]

REFUSED = [
    *(
        Case(f"beta is {value}", (normals(3),), {"beta": value}, mentions="beta is")
        for value in (float("nan"), float("inf"), float("-inf"))
    ),
    Case("unknown attribute", (normals(3),), {"wrong": 1.0}, mentions="wrong"),
    Case("two inputs too many", (normals(3), normals(3), normals(3)), mentions="input"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("wrong output shape", (normals(3),), output_types=(("float32", (4,)),), mentions="(4,)"),
    Case("beta an integer", (normals(3),), {"beta": 1}, mentions="beta"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("hard_sigmoid", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("hard_sigmoid", case)
