"""clip: x between min and max, either of which may be absent"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("relu6", (ints(2, 3, 5),), {"min": 0.0, "max": 6.0}, batch=True),
    Case("only min", (ints(17),), {"min": -3.0}),
    Case("only max", (ints(17),), {"max": 3.0}),
    Case("unbounded", (ints(17),), compiled=False),
    Case("min over max", (ints(17),), {"min": 3.0, "max": -3.0}),
    Case("edges", (floats(0.0, np.inf, -np.inf, 1e-45, 3e38),), {"min": -1.0, "max": 1.0}),
    Case("infinite bounds", (normals(9),), {"min": float("-inf"), "max": float("inf")}),
    Case("nan stays", (floats(np.nan, 1.0, np.nan, 9.0, np.nan, -9.0, 1.0, 1.0, np.nan),), {"min": 0.0, "max": 6.0}),
    Case("scalar", (np.array(9, np.float32),), {"max": 3.0}),
    Case("long", (normals(1031),), {"min": -0.5, "max": 0.7}),
]

REFUSED = [
    Case("unknown attribute", (normals(3),), {"wrong": 1.0}, mentions="wrong"),
    Case("two inputs too many", (normals(3), normals(3), normals(3)), mentions="input"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("wrong output shape", (normals(3),), output_types=(("float32", (4,)),), mentions="(4,)"),
    Case("min an integer", (normals(3),), {"min": 0}, mentions="min"),
    Case("min is nan", (normals(3),), {"min": float("nan")}, mentions="min is nan"),
    Case("max is nan", (normals(3),), {"min": 0.0, "max": float("nan")}, mentions="max is nan"),
    Case("max a string", (normals(3),), {"max": "6"}, mentions="max"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("clip", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("clip", case)
