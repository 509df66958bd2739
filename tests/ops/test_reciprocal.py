"""reciprocal: 1 / x"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, normals

CASES = [
    Case("one element", (floats(-7.0),), exact=False),
    Case("edges", (floats(1.0, -1.0, 3.0, 7.0, 1e-20, 1e20, -0.3, 5.5),), exact=False),
    Case("scalar", (np.array(0.75, np.float32),), exact=False),
    Case("four dimensions with a batch", (normals(3, 5, 7, 3),), batch=True, exact=False),
    Case("six dimensions", (normals(2, 1, 3, 2, 1, 5),), exact=False),
    Case("odd length over the vector width", (normals(1031),), exact=False),
    Case("large values", (normals(257, scale=30.0),), exact=False),
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
    check("reciprocal", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("reciprocal", case)
