"""reduce_max: the maximum over axes"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("last axis", (ints(3, 5, 8),), {"axes": [2]}, batch=True),
    Case("last axis, dropped", (ints(3, 5, 8),), {"axes": [-1], "keepdims": 0}, batch=True),
    Case("spatial", (ints(2, 3, 4, 8),), {"axes": [2, 3]}, batch=True),
    Case("spatial, dropped", (ints(2, 3, 4, 8),), {"axes": [2, 3], "keepdims": 0}, batch=True),
    Case("spatial from the end, any order", (ints(2, 3, 4, 8),), {"axes": [-1, -2], "keepdims": 0}, batch=True),
    Case("middle axis", (ints(2, 4, 5),), {"axes": [1]}, batch=True),
    Case("first axis", (ints(4, 5, 3),), {"axes": [0]}),
    Case("first and last", (ints(4, 5, 2),), {"axes": [0, 2], "keepdims": 0}),
    Case("every axis", (ints(2, 4, 8),), {"axes": [0, 1, 2]}),
    Case("every axis, dropped to a scalar", (ints(2, 4, 8),), {"axes": [0, 1, 2], "keepdims": 0}),
    Case("axis of length 1", (ints(3, 1, 5),), {"axes": [1], "keepdims": 0}),
    Case("six dimensions", (ints(2, 2, 3, 4, 1, 3),), {"axes": [1, 3, 4], "keepdims": 0}),
    Case("long", (normals(3, 1031),), {"axes": [1]}, batch=True),
    Case("odd image", (normals(2, 37, 7, 7),), {"axes": [2, 3]}, batch=True),
    Case("negative", (ints(2, 8, low=-9, high=-1),), {"axes": [1]}),
    Case("infinity", (floats(1, np.inf, 2, -np.inf, 3, 4).reshape(3, 2),), {"axes": [1]}),
    Case(
        "nan",
        (floats(1, np.nan, 3, np.nan, 2, 0, 4, 5, 6).reshape(3, 3),),
        {"axes": [1]},
        onnx=False,
        output_types=(("float32", (3, 1)),),
    ),
]

REFUSED = [
    Case("no axes", (ints(2, 3),), mentions="axes"),
    Case("empty axes", (ints(2, 3),), {"axes": []}, mentions="axes"),
    Case("axis too large", (ints(2, 3),), {"axes": [2]}, mentions="axes"),
    Case("axis twice", (ints(2, 3),), {"axes": [1, -1]}, mentions="axes"),
    Case("axes an integer", (ints(2, 3),), {"axes": 1}, mentions="axes"),
    Case("keepdims 2", (ints(2, 3),), {"axes": [1], "keepdims": 2}, mentions="keepdims"),
    Case("int64", (indices(1, 2),), {"axes": [0]}, mentions="int64"),
    Case("unknown attribute", (ints(2, 3),), {"axes": [0], "noop_with_empty_axes": 1}, mentions="noop_with_empty_axes"),
    Case("axes as an input", (ints(2, 3), indices(1)), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("reduce_max", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("reduce_max", case)
