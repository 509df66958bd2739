"""pow: a ^ b, with NumPy's broadcasting"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("same shape", (np.abs(normals(3, 4, 5)) + 0.1, normals(3, 4, 5, seed=1)), batch=True, exact=False),
    Case("weight", (np.abs(normals(3, 4, 5)) + 0.1, normals(4, 1, seed=1)), weights=(1,), batch=True, exact=False),
    Case(
        "weight on the left",
        (np.abs(normals(4, 1)) + 0.1, normals(3, 4, 5, seed=1)),
        weights=(0,),
        batch=True,
        exact=False,
    ),
    Case("scalar on the right", (np.abs(normals(3, 4)) + 0.1, np.array(3, np.float32)), weights=(1,), exact=False),
    Case("scalar on the left", (np.array(3, np.float32), normals(3, 4)), exact=False),
    Case("two scalars", (np.array(3, np.float32), np.array(7, np.float32)), exact=False),
    Case("both sides broadcast", (np.abs(normals(3, 1, 5)) + 0.1, normals(1, 4, 1)), exact=False),
    Case("ranks differ", (np.abs(normals(5)) + 0.1, normals(2, 3, 4, 5)), exact=False),
    Case("a gate a channel", (np.abs(normals(2, 6, 5, 5)) + 0.1, normals(2, 6, 1, 1)), batch=True, exact=False),
    Case("six dimensions", (np.abs(normals(2, 1, 3, 1, 2, 1)) + 0.1, normals(1, 2, 1, 3, 1, 4)), exact=False),
    Case("six against none", (np.abs(normals(1, 2, 1, 2, 1, 3)) + 0.1, np.array(2, np.float32)), exact=False),
    Case("one element each", (floats(2.0), floats(3.0)), exact=False),
    Case("the same value twice, long", (np.abs(normals(1031)) + 0.1, normals(1031)), exact=False),
    Case("alternating broadcast", (np.abs(normals(2, 3, 1, 5)) + 0.1, normals(2, 1, 4, 1)), batch=True, exact=False),
    Case(
        "edges", (floats(0.0, 1.0, 2.0, 4.0, -2.0, 0.0, 9.0), floats(0.0, 5.0, 10.0, 0.5, 3.0, 2.0, -0.5)), exact=False
    ),
]

REFUSED = [
    Case("shapes that do not broadcast", (normals(2, 3), normals(2)), mentions="(2,)"),
    Case("one input", (normals(3),), mentions="input"),
    Case("three inputs", (normals(3), normals(3), normals(3)), mentions="input"),
    Case("int64", (indices(1, 2), indices(1, 2)), mentions="int64"),
    Case("mixed dtypes", (normals(2), indices(1, 2)), mentions="int64"),
    Case("unknown attribute", (normals(3), normals(3)), {"axis": 1}, mentions="axis"),
    Case("output not broadcast", (normals(3, 1), normals(1, 4)), mentions="(3, 1)"),
    Case("absent input", (normals(3), None, normals(3)), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("pow", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("pow", case)
