"""transpose: axes in another order"""

import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("two dimensions", (ints(2, 3),), {"perm": [1, 0]}),
    Case("heads", (ints(2, 5, 3, 4),), {"perm": [0, 2, 1, 3]}, batch=True),
    Case("channels last", (ints(2, 3, 4, 5),), {"perm": [0, 2, 3, 1]}, batch=True),
    Case("channel shuffle", (ints(2, 2, 3, 4, 4),), {"perm": [0, 2, 1, 3, 4]}, batch=True),
    Case("batch moves", (ints(2, 3, 4),), {"perm": [2, 0, 1]}, batch=True),
    Case("nothing", (ints(2, 3),), {"perm": [0, 1]}, compiled=False),
    Case("six reversed", (ints(1, 2, 3, 2, 1, 3),), {"perm": [5, 4, 3, 2, 1, 0]}),
    Case("large", (ints(67, 131),), {"perm": [1, 0]}),
    Case("large heads", (ints(2, 19, 3, 21),), {"perm": [0, 2, 3, 1]}, batch=True),
    Case("ends change places", (ints(33, 3, 18),), {"perm": [2, 1, 0]}),
    Case("vector", (ints(5),), {"perm": [0]}, compiled=False),
    *(Case(dtype, (of(dtype, 2, 3, 2),), {"perm": [2, 0, 1]}) for dtype in DTYPES),
]

REFUSED = [
    Case("no perm", (ints(2, 3),), mentions="perm"),
    Case("perm too short", (ints(2, 3),), {"perm": [0]}, mentions="perm"),
    Case("perm repeats", (ints(2, 3),), {"perm": [0, 0]}, mentions="perm"),
    Case("perm out of range", (ints(2, 3),), {"perm": [0, 2]}, mentions="perm"),
    Case("perm negative", (ints(2, 2),), {"perm": [0, -2]}, mentions="perm"),
    Case("perm huge", (ints(2, 3),), {"perm": [2**40, 1]}, mentions="perm"),
    Case("unknown attribute", (ints(2, 2),), {"perm": [1, 0], "axes": [0]}, mentions="axes"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("transpose", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("transpose", case)
