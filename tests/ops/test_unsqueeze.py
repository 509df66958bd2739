"""unsqueeze: with new axes of length 1"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("last", (ints(2, 3),), {"axes": [2]}, batch=True),
    Case("from the end", (ints(2, 3),), {"axes": [-1]}, batch=True),
    Case("two", (ints(2, 3),), {"axes": [1, 3]}, batch=True),
    Case("any order", (ints(2, 3),), {"axes": [3, 0]}),
    Case("scalar", (np.array(3, np.float32),), {"axes": [0]}),
    Case("to six dimensions", (ints(2, 3),), {"axes": [0, 2, 4, 5]}),
    *(Case(dtype, (of(dtype, 2, 3),), {"axes": [1]}) for dtype in DTYPES),
]

REFUSED = [
    Case("no axes", (ints(2, 3),), mentions="axes"),
    Case("axis too large", (ints(2, 3),), {"axes": [3]}, mentions="axes"),
    Case("axis twice", (ints(2, 3),), {"axes": [0, -4]}, mentions="axes"),
    Case("over six dimensions", (ints(2, 3),), {"axes": [0, 1, 2, 3, 4]}),
    Case("unknown attribute", (ints(2, 3),), {"axes": [0], "dim": 1}, mentions="dim"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("unsqueeze", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("unsqueeze", case)
