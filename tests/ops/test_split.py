"""split: pieces of x along an axis, of the given sizes"""

import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("two halves of the channels", (ints(2, 6, 3, 3),), {"axis": 1, "split": [3, 3]}, outputs=2, batch=True),
    Case("uneven, last axis", (ints(2, 7),), {"axis": -1, "split": [1, 4, 2]}, outputs=3, batch=True),
    Case("default axis", (ints(5, 2),), {"split": [2, 3]}, outputs=2),
    Case("one piece", (ints(2, 3),), {"axis": 1, "split": [3]}, compiled=False),
    Case("single elements", (ints(4),), {"split": [1, 1, 1, 1]}, outputs=4),
    Case("six dimensions", (ints(1, 2, 1, 5, 1, 2),), {"axis": 3, "split": [2, 3]}, outputs=2),
    *(Case(dtype, (of(dtype, 2, 3),), {"axis": 1, "split": [2, 1]}, outputs=2) for dtype in DTYPES),
]

REFUSED = [
    Case("no split", (ints(2, 4),), {"axis": 1}, outputs=2, mentions="split"),
    Case("sum too small", (ints(2, 4),), {"axis": 1, "split": [1, 2]}, outputs=2, mentions="split"),
    Case("sum too large", (ints(2, 4),), {"axis": 1, "split": [3, 2]}, outputs=2, mentions="split"),
    Case(
        "sum overflows to the right one",
        (ints(2, 4),),
        {"axis": 1, "split": [2**63 - 1, 2**63 - 1, 6]},
        outputs=3,
        mentions="split",
    ),
    Case("negative piece", (ints(2, 4),), {"axis": 1, "split": [5, -1]}, outputs=2, mentions="split"),
    Case("more pieces than outputs", (ints(2, 4),), {"axis": 1, "split": [1, 1, 2]}, outputs=2),
    Case("fewer pieces than outputs", (ints(2, 4),), {"axis": 1, "split": [1, 3]}, outputs=3),
    Case("axis too large", (ints(2, 4),), {"axis": 2, "split": [2, 2]}, outputs=2, mentions="axis"),
    Case(
        "num_outputs",
        (ints(2, 4),),
        {"axis": 1, "split": [2, 2], "num_outputs": 2},
        outputs=2,
        output_types=(("float32", (2, 2)),) * 2,
        mentions="num_outputs",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("split", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("split", case)
