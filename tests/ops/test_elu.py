"""elu: x, or alpha · (e^x - 1) where x < 0"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("default", (normals(2, 3, 5),), batch=True, exact=False),
    Case("alpha 2", (normals(2, 3, 5),), {"alpha": 2.0}, exact=False),
    Case("alpha 0", (normals(17),), {"alpha": 0.0}, exact=False),
    Case("edges", (floats(0.0, -0.0, -1e-6, -20.0, -200.0, 1e30, np.inf, -np.inf),), exact=False),
    Case("long", (normals(1031, scale=5.0),), exact=False),
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
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("elu", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("elu", case)
