"""div: a / b, with NumPy's broadcasting"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("same shape", (normals(3, 4, 5), normals(3, 4, 5, seed=1)), batch=True),
    Case("weight", (normals(3, 4, 5), normals(4, 1, seed=1)), weights=(1,), batch=True),
    Case("weight on the left", (normals(4, 1), normals(3, 4, 5, seed=1)), weights=(0,), batch=True),
    Case("scalar on the right", (normals(3, 4), np.array(3, np.float32)), weights=(1,)),
    Case("scalar on the left", (np.array(3, np.float32), normals(3, 4))),
    Case("two scalars", (np.array(3, np.float32), np.array(7, np.float32))),
    Case("both sides broadcast", (normals(3, 1, 5), normals(1, 4, 1))),
    Case("ranks differ", (normals(5), normals(2, 3, 4, 5))),
    Case("a gate a channel", (normals(2, 6, 5, 5), normals(2, 6, 1, 1)), batch=True),
    Case("six dimensions", (normals(2, 1, 3, 1, 2, 1), normals(1, 2, 1, 3, 1, 4))),
    Case("six against none", (normals(1, 2, 1, 2, 1, 3), np.array(2, np.float32))),
    Case("one element each", (floats(2.0), floats(3.0))),
    Case("the same value twice, long", (normals(1031), normals(1031))),
    Case("alternating broadcast", (normals(2, 3, 1, 5), normals(2, 1, 4, 1)), batch=True),
    Case("by zero", (floats(1.0, -1.0, 0.0, np.inf), floats(0.0, 0.0, 0.0, np.inf))),
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
    check("div", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("div", case)
