"""arg_max: the index of the maximum; the first one, or the last"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("last axis", (normals(3, 10),), {"axis": -1}, batch=True),
    Case("default axis", (normals(5, 4),)),
    Case("dropped", (normals(3, 10),), {"axis": 1, "keepdims": 0}, batch=True),
    Case("middle axis", (normals(2, 7, 5),), {"axis": 1, "keepdims": 0}, batch=True),
    Case("ties, the first", (np.ones((2, 5), np.float32),), {"axis": 1}),
    Case("ties, the last", (np.ones((2, 5), np.float32),), {"axis": 1, "select_last_index": 1}),
    Case("some ties", (ints(4, 33, low=-2, high=2),), {"axis": 1}),
    Case("some ties, the last", (ints(4, 33, low=-2, high=2),), {"axis": 1, "select_last_index": 1}),
    Case("infinity", (floats(1, np.inf, -np.inf, np.inf).reshape(1, 4),), {"axis": 1}),
    Case("all minus infinity", (np.full((1, 4), -np.inf, np.float32),), {"axis": 1}),
    Case("signed zeros tie", (floats(-0.0, 0.0, -0.0).reshape(1, 3),), {"axis": 1}),
    Case(
        "nan",
        (floats(1, np.nan, 3, np.nan, 2, 0).reshape(2, 3),),
        {"axis": 1},
        onnx=False,
        output_types=(("int64", (2, 1)),),
    ),
    Case("one element", (floats(3.0),), {"axis": 0}),
    Case("axis of length 1", (normals(3, 1),), {"axis": 1}),
    Case("images", (normals(1, 21, 5, 7),), {"axis": 1, "keepdims": 0}, batch=True),
    Case("six dimensions", (normals(1, 2, 3, 1, 4, 2),), {"axis": 4}),
]

REFUSED = [
    Case("axis too large", (normals(2, 3),), {"axis": 2}, output_types=(("int64", (2, 1)),), mentions="axis"),
    Case("float output", (normals(2, 3),), {"axis": 1}, output_types=(("float32", (2, 1)),), mentions="float32"),
    Case("keepdims 2", (normals(2, 3),), {"keepdims": 2}, output_types=(("int64", (1, 3)),), mentions="keepdims"),
    Case(
        "select_last_index 2",
        (normals(2, 3),),
        {"select_last_index": 2},
        output_types=(("int64", (1, 3)),),
        mentions="select_last_index",
    ),
    Case("unknown attribute", (normals(2, 3),), {"k": 1}, output_types=(("int64", (1, 3)),), mentions="k"),
    Case("two inputs", (normals(2, 3), indices(1)), output_types=(("int64", (1, 3)),), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("arg_max", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("arg_max", case)
