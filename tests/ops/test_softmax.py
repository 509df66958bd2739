"""softmax: e^x / Σ e^x along an axis"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("default axis", (normals(3, 10),), batch=True, exact=False),
    Case("axis 0", (normals(5, 4),), {"axis": 0}, exact=False),
    Case("axis 1 of 4", (normals(2, 7, 3, 5),), {"axis": 1}, batch=True, exact=False),
    Case("axis -2", (normals(2, 7, 3),), {"axis": -2}, batch=True, exact=False),
    Case("axis of length 1", (normals(4, 1),), {"axis": 1}, exact=False),
    Case("one element", (floats(5.0),), {"axis": 0}, exact=False),
    Case("equal values", (np.ones((2, 8), np.float32),), exact=False),
    Case("large values do not overflow", (floats(1000.0, 999.0, -1000.0, 88.0).reshape(1, 4),), exact=False),
    Case("an element at -inf", (floats(0.0, -np.inf, 1.0).reshape(1, 3),), exact=False),
    Case("a thousand classes", (normals(2, 1000, scale=4.0),), batch=True, exact=False),
    Case("attention", (normals(1, 3, 17, 17),), {"axis": 3}, batch=True, exact=False),
    Case("six dimensions", (normals(1, 2, 3, 2, 2, 3),), {"axis": 2}, exact=False),
]

REFUSED = [
    Case("axis too large", (normals(2, 3),), {"axis": 2}, mentions="axis"),
    Case("axis too small", (normals(2, 3),), {"axis": -3}, mentions="axis"),
    Case("axis a float", (normals(2, 3),), {"axis": 1.0}, mentions="axis"),
    Case("scalar", (np.array(1, np.float32),), mentions="rank"),
    Case("unknown attribute", (normals(3),), {"axes": [0]}, mentions="axes"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("two inputs", (normals(3), normals(3)), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("softmax", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("softmax", case)
