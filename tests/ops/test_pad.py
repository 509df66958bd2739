"""pad: a border of a constant, the edge or the reflection"""

import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


# What no number of the dtype is: both ends, a fraction, and what has no number at all.
OUT_OF_RANGE = [
    ("uint8", -1.0),
    ("uint8", 256.0),
    ("int8", 128.0),
    ("int8", -129.0),
    ("int8", 0.5),
    ("bool", 2.0),
    ("int32", 2.0**31),
    ("int64", 2.0**63),
    ("int64", float("inf")),
    ("int32", float("nan")),
]

CASES = [
    Case("zeros", (ints(2, 3, 4, 5),), {"pads": [0, 0, 1, 2, 0, 0, 3, 1]}, batch=True),
    Case("a value", (ints(2, 3, 4),), {"pads": [0, 1, 2, 0, 0, 1], "value": -7.0}, batch=True),
    Case("infinity", (ints(2, 3),), {"pads": [0, 1, 0, 1], "value": float("-inf")}),
    *(
        Case(f"{value} as {dtype}", (of(dtype, 2, 3),), {"pads": [0, 1, 0, 1], "value": value})
        for dtype, value in [("uint8", 255.0), ("int8", -128.0), ("int32", -(2.0**31)), ("int64", -(2.0**63))]
    ),
    Case("every axis", (ints(2, 3),), {"pads": [1, 2, 3, 4]}),
    Case("nothing", (ints(2, 3),), {"pads": [0, 0, 0, 0]}, compiled=False),
    Case("reflect", (ints(2, 3, 5, 6),), {"pads": [0, 0, 2, 3, 0, 0, 4, 1], "mode": "reflect"}, batch=True),
    Case("reflect, as wide as it can be", (ints(1, 4),), {"pads": [0, 3, 0, 3], "mode": "reflect"}),
    Case("edge", (ints(2, 3, 5, 6),), {"pads": [0, 0, 2, 3, 0, 0, 4, 1], "mode": "edge"}, batch=True),
    Case("edge, wider than x", (ints(1, 2),), {"pads": [0, 5, 0, 7], "mode": "edge"}),
    Case("edge of one element", (ints(1, 1),), {"pads": [2, 5, 1, 7], "mode": "edge"}),
    Case("1-d", (ints(5),), {"pads": [2, 1]}),
    Case("six dimensions", (ints(1, 2, 1, 2, 1, 2),), {"pads": [0, 1, 0, 0, 1, 0, 1, 0, 0, 2, 0, 1]}),
    *(Case(dtype, (of(dtype, 2, 3),), {"pads": [0, 1, 1, 0], "value": 1.0}) for dtype in DTYPES if dtype != "float16"),
    *(
        Case(f"{dtype} edge", (of(dtype, 2, 3),), {"pads": [0, 1, 1, 0], "mode": "edge"})
        for dtype in DTYPES
        if dtype != "float16"
    ),
]

REFUSED = [
    Case("no pads", (ints(2, 3),), mentions="pads"),
    Case("pads too short", (ints(2, 3),), {"pads": [1, 1]}, mentions="pads"),
    Case("pads negative", (ints(2, 3),), {"pads": [0, -1, 0, 0]}, mentions="pads"),
    Case("pads huge", (ints(2, 3),), {"pads": [2**62, 0, 2**62, 0]}),
    Case("pads wrap to the right size", (ints(2, 3),), {"pads": [2**63 - 1, 0, 2**63 - 1, 0]}),
    Case("mode unknown", (ints(2, 3),), {"pads": [0, 1, 0, 1], "mode": "wrap"}, mentions="wrap"),
    Case(
        "reflect too wide",
        (ints(2, 3),),
        {"pads": [0, 3, 0, 0], "mode": "reflect"},
        output_types=(("float32", (2, 6)),),
    ),
    *(
        Case(
            f"{value} as {dtype}",
            (of(dtype, 2, 3),),
            {"pads": [0, 1, 0, 1], "value": value},
            mentions=f"of dtype {dtype}",
        )
        for dtype, value in OUT_OF_RANGE
    ),
    Case("value an integer", (ints(2, 3),), {"pads": [0, 1, 0, 1], "value": 1}, mentions="value"),
    Case("unknown attribute", (ints(2, 3),), {"pads": [0, 0, 0, 0], "axes": [0]}, mentions="axes"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("pad", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("pad", case)
