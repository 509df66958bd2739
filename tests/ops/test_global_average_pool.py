"""global_average_pool: the mean over all but batch and channels"""

import pytest

from tests.support.cases import Case, check, check_refused, indices, ints, normals

CASES = [
    Case("a power of two pixels", (ints(2, 5, 4, 8),), batch=True),
    Case("seven by seven", (normals(2, 65, 7, 7),), batch=True, exact=False),
    Case("one pixel", (ints(1, 3, 1, 1),)),
    Case("1-d", (ints(2, 3, 16),), batch=True),
    Case("odd 1-d", (normals(2, 3, 33),), batch=True, exact=False),
    Case("large image", (normals(1, 2, 57, 61),), batch=True, exact=False),
]

REFUSED = [
    Case("unknown attribute", (ints(1, 2, 5, 5),), {"axes": [2, 3]}, mentions="axes"),
    Case("int64", (indices(1, shape=(1, 1, 1, 1)),), mentions="int64"),
    Case("two inputs", (ints(1, 2, 5, 5), ints(1)), mentions="input"),
    Case("rank 2", (ints(1, 2),), mentions="rank"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("global_average_pool", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("global_average_pool", case)
