"""squeeze: without the given axes, which have length 1"""

import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("last two", (ints(2, 3, 1, 1),), {"axes": [2, 3]}, batch=True),
    Case("from the end", (ints(2, 1, 3, 1),), {"axes": [-1]}, batch=True),
    Case("any order", (ints(1, 2, 1, 3),), {"axes": [2, 0]}),
    Case("to a scalar", (ints(1),), {"axes": [0]}),
    Case("six dimensions", (ints(1, 2, 1, 3, 1, 2),), {"axes": [0, 2, 4]}),
    *(Case(dtype, (of(dtype, 2, 1, 3),), {"axes": [1]}) for dtype in DTYPES),
]

REFUSED = [
    Case("no axes", (ints(2, 1),), mentions="axes"),
    Case("an axis of length 3", (ints(2, 3),), {"axes": [1]}, output_types=(("float32", (2,)),)),
    Case("axis too large", (ints(2, 1),), {"axes": [2]}, mentions="axes"),
    Case("axis twice", (ints(2, 1),), {"axes": [1, -1]}, mentions="axes"),
    Case("unknown attribute", (ints(2, 1),), {"axes": [1], "dim": 1}, mentions="dim"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("squeeze", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("squeeze", case)
