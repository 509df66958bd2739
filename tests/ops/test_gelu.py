"""gelu: x · (1 + erf(x / √2)) / 2, or its tanh approximation"""

import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("default", (normals(2, 3, 5),), batch=True, exact=False),
    Case("none", (normals(2, 3, 5),), {"approximate": "none"}, exact=False),
    Case("tanh", (normals(2, 3, 5),), {"approximate": "tanh"}, batch=True, exact=False),
    Case("edges", (floats(0.0, -0.0, 1e-6, -1e-6, 3.0, -3.0, 6.0, -6.0, 50.0, -50.0),), exact=False),
    Case(
        "edges of tanh", (floats(0.0, 1e-6, 3.0, -3.0, 6.0, -6.0, 50.0, -50.0),), {"approximate": "tanh"}, exact=False
    ),
    Case("long", (normals(1031, scale=2.0),), exact=False),
]

REFUSED = [
    Case("unknown attribute", (normals(3),), {"wrong": 1.0}, mentions="wrong"),
    Case("two inputs too many", (normals(3), normals(3), normals(3)), mentions="input"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("wrong output shape", (normals(3),), output_types=(("float32", (4,)),), mentions="(4,)"),
    Case("approximate unknown", (normals(3),), {"approximate": "fast"}, mentions="fast"),
    Case("approximate a number", (normals(3),), {"approximate": 1}, mentions="approximate"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("gelu", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("gelu", case)
