"""gelu: x · (1 + erf(x / √2)) / 2, or its tanh approximation"""

import math

import numpy as np
import pytest

from dsruntime import load
from tests.support.cases import BACKENDS, Case, check, check_refused, floats, indices, normals
from tests.support.one_node import one_node_file

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


def by_erfc(x: float) -> float:
    return x * math.erfc(-x / math.sqrt(2)) / 2


def by_tanh(x: float) -> float:
    """(1 + tanh(z)) / 2 = 1 / (1 + e^-2z), which does not cancel."""
    return x / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("backend, threads", BACKENDS)
@pytest.mark.parametrize("approximate, exact", [("none", by_erfc), ("tanh", by_tanh)])
def test_tails_are_right_to_the_last_subnormal_number(backend, threads, approximate, exact):
    x = np.concatenate([np.linspace(-15, 6, 2101), [-1e-30, 1e-30, 1e30]]).astype(np.float32)
    if approximate == "tanh":
        x = x[x > -10]  # further down it is 0
    expected = np.array([v if v > 100 else exact(float(v)) for v in x])
    with load(one_node_file("gelu", Case("tails", (x,), {"approximate": approximate})), backend, threads) as session:
        apart = np.abs(session.run(x) - expected)
    assert (apart <= 2e-5 * np.abs(expected) + 2.0**-147).all()


@pytest.mark.parametrize("backend, threads", BACKENDS)
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_the_ends_are_the_function_s_limits(backend, threads, approximate):
    """-0 at -infinity, where ONNX Runtime and PyTorch multiply infinity by 0."""
    x = floats(-np.inf, -1e38, -25.0, np.inf, np.nan, 0.0, -0.0)
    with load(one_node_file("gelu", Case("ends", (x,), {"approximate": approximate})), backend, threads) as session:
        y = session.run(x)
    np.testing.assert_array_equal(y, floats(-0.0, -0.0, -0.0, np.inf, np.nan, 0.0, -0.0))
    np.testing.assert_array_equal(np.signbit(y[[0, 1, 2, 5, 6]]), [True, True, True, False, True])


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("gelu", case)
