"""leaky_relu: x, or alpha · x where x < 0"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("default alpha", (normals(2, 3, 5),), exact=False),
    Case("alpha a power of two", (ints(3, 4, 5),), {"alpha": 0.25}, batch=True),
    Case("alpha 0", (ints(17),), {"alpha": 0.0}),
    Case("alpha negative", (ints(17),), {"alpha": -2.0}),
    Case("alpha over 1", (ints(17),), {"alpha": 4.0}),
    Case("edges", (floats(0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -3e38),), {"alpha": 0.5}),
    Case("long", (normals(1031),), {"alpha": 0.1}, exact=False),
]

REFUSED = [
    *(
        Case(f"alpha is {value}", (normals(3),), {"alpha": value}, mentions="alpha is")
        for value in (float("nan"), float("inf"), float("-inf"))
    ),
    Case("unknown attribute", (normals(3),), {"wrong": 1.0}, mentions="wrong"),
    Case("two inputs too many", (normals(3), normals(3), normals(3)), mentions="input"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("wrong output shape", (normals(3),), output_types=(("float32", (4,)),), mentions="(4,)"),
    Case("alpha an integer", (normals(3),), {"alpha": 1}, mentions="alpha"),
    Case("alpha a list", (normals(3),), {"alpha": [1.0]}, mentions="alpha"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("leaky_relu", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("leaky_relu", case)
