"""flatten: two dimensions: those before axis, and the rest"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("default", (ints(2, 3, 4, 5),), batch=True),
    Case("axis 0", (ints(2, 3),), {"axis": 0}),
    Case("axis 2", (ints(2, 3, 4),), {"axis": 2}, batch=True),
    Case("axis at the end", (ints(2, 3, 4),), {"axis": 3}, batch=True),
    Case("axis -1", (ints(2, 3, 4),), {"axis": -1}, batch=True),
    Case("vector", (ints(5),)),
    Case("scalar", (np.array(3, np.float32),), {"axis": 0}),
    Case("six dimensions", (ints(1, 2, 1, 3, 1, 2),), {"axis": 3}),
    *(Case(dtype, (of(dtype, 2, 3, 2),)) for dtype in DTYPES),
]

REFUSED = [
    Case("axis too large", (ints(2, 3),), {"axis": 3}, mentions="axis"),
    Case("axis too small", (ints(2, 3),), {"axis": -3}, mentions="axis"),
    Case("two inputs", (ints(2, 3), ints(2)), mentions="input"),
    Case("unknown attribute", (ints(2, 3),), {"start": 1}, mentions="start"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("flatten", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("flatten", case)
