"""top_k: the k largest or smallest, sorted, the lower index first among equals"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, ints, normals

CASES = [
    Case("five of ten", (normals(3, 10),), {"k": 5}, outputs=2, batch=True),
    Case("all of them", (normals(2, 7),), {"k": 7}, outputs=2, batch=True),
    Case("one", (normals(2, 7),), {"k": 1}, outputs=2, batch=True),
    Case("smallest", (normals(3, 10),), {"k": 4, "largest": 0}, outputs=2, batch=True),
    Case("middle axis", (normals(2, 9, 3),), {"k": 4, "axis": 1}, outputs=2, batch=True),
    Case("first axis", (normals(9, 3),), {"k": 4, "axis": 0}, outputs=2),
    Case("ties", (ints(3, 40, low=-2, high=2),), {"k": 17}, outputs=2, batch=True),
    Case("ties, smallest", (ints(3, 40, low=-2, high=2),), {"k": 17, "largest": 0}, outputs=2, batch=True),
    Case("all equal", (np.ones((1, 9), np.float32),), {"k": 4}, outputs=2),
    Case("infinity", (floats(1, np.inf, -np.inf, 2).reshape(1, 4),), {"k": 4}, outputs=2),
    Case(
        "nan",
        (floats(1, np.nan, 3, np.nan, 2, 0).reshape(1, 6),),
        {"k": 4},
        outputs=2,
        onnx=False,
        output_types=(("float32", (1, 4)), ("int64", (1, 4))),
    ),
    Case(
        "unsorted is sorted too",
        (normals(2, 10),),
        {"k": 3, "sorted": 0},
        outputs=2,
        onnx=False,
        output_types=(("float32", (2, 3)), ("int64", (2, 3))),
    ),
    Case("a thousand classes", (normals(2, 1000),), {"k": 5}, outputs=2, batch=True),
]

REFUSED = [
    Case("no k", (normals(2, 3),), outputs=2, mentions="k"),
    Case("k over the axis", (normals(2, 3),), {"k": 4}, outputs=2, mentions="k"),
    Case("k negative", (normals(2, 3),), {"k": -1}, outputs=2, mentions="k"),
    Case("k huge", (normals(2, 3),), {"k": 2**62}, outputs=2, mentions="k"),
    Case("axis too large", (normals(2, 3),), {"k": 1, "axis": 2}, outputs=2, mentions="axis"),
    Case("one output", (normals(2, 3),), {"k": 1}, output_types=(("float32", (2, 1)),), mentions="output"),
    Case(
        "float indices",
        (normals(2, 3),),
        {"k": 1},
        outputs=2,
        output_types=(("float32", (2, 1)),) * 2,
        mentions="float32",
    ),
    Case(
        "largest 2",
        (normals(2, 3),),
        {"k": 1, "largest": 2},
        outputs=2,
        output_types=(("float32", (2, 1)), ("int64", (2, 1))),
        mentions="largest",
    ),
    Case(
        "unknown attribute",
        (normals(2, 3),),
        {"k": 1, "axes": [1]},
        outputs=2,
        output_types=(("float32", (2, 1)), ("int64", (2, 1))),
        mentions="axes",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("top_k", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("top_k", case)
