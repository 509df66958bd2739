"""floor: downwards, for negative numbers too; what has no fraction stays as it is"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("one element", (floats(-7.0),)),
    Case("edges", (floats(0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, -3e38),)),
    Case("around whole numbers", (floats(0.5, -0.5, 0.99999994, -0.99999994, 1.0000001, -1.0000001, 8388607.5, -2.5),)),
    Case("scalar", (np.array(0.75, np.float32),)),
    Case("four dimensions with a batch", (normals(3, 5, 7, 3),), batch=True),
    Case("six dimensions", (normals(2, 1, 3, 2, 1, 5),)),
    Case("odd length over the vector width", (normals(1031),)),
    Case("large values", (normals(257, scale=30.0),)),
]

REFUSED = [
    Case("unknown attribute", (normals(3),), {"alpha": 1.0}, mentions="alpha"),
    Case("two inputs", (normals(3), normals(3)), mentions="input"),
    Case("two outputs", (normals(3),), outputs=2, mentions="output"),
    Case("int64", (indices(1, 2),), mentions="int64"),
    Case("float16", (normals(3).astype(np.float16),), mentions="float16"),
    Case("wrong output shape", (normals(3),), output_types=(("float32", (4,)),), mentions="(4,)"),
    Case("wrong output dtype", (normals(3),), output_types=(("int32", (3,)),), mentions="int32"),
    Case("absent input", (None, normals(3)), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("floor", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("floor", case)
