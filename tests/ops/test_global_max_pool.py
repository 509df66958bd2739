"""global_max_pool: the maximum over all but batch and channels"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("images", (ints(2, 5, 4, 8),), batch=True),
    Case("seven by seven", (normals(2, 65, 7, 7),), batch=True),
    Case("one pixel", (ints(1, 3, 1, 1),)),
    Case("all negative", (ints(1, 3, 5, 5, low=-9, high=-1),)),
    Case("infinity", (floats(-np.inf, np.inf, 1, -np.inf).reshape(1, 1, 2, 2),)),
    Case("1-d", (ints(2, 3, 17),), batch=True),
]

REFUSED = [
    Case("unknown attribute", (ints(1, 2, 5, 5),), {"axes": [2, 3]}, mentions="axes"),
    Case("int64", (indices(1, shape=(1, 1, 1, 1)),), mentions="int64"),
    Case("two inputs", (ints(1, 2, 5, 5), ints(1)), mentions="input"),
    Case("rank 2", (ints(1, 2),), mentions="rank"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("global_max_pool", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("global_max_pool", case)
