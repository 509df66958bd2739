"""slice: x[start:end:step] on the given axes"""

import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


def cut(starts, ends, axes, steps):
    return {"starts": starts, "ends": ends, "axes": axes, "steps": steps}


INT_MIN, INT_MAX = -(2**63), 2**63 - 1

CASES = [
    Case("channels", (ints(2, 6, 3, 3),), cut([1], [4], [1], [1]), batch=True),
    Case("two axes", (ints(2, 3, 6, 5),), cut([1, 0], [5, 3], [2, 3], [1, 1]), batch=True),
    Case("step 2", (ints(2, 3, 7),), cut([0], [7], [2], [2]), batch=True),
    Case("from the end", (ints(2, 7),), cut([-3], [-1], [-1], [1]), batch=True),
    Case("reversed", (ints(2, 7),), cut([-1], [INT_MIN], [1], [-1]), batch=True),
    Case("reversed, step -2", (ints(2, 8),), cut([6], [0], [1], [-2])),
    Case("ends clamp", (ints(2, 7),), cut([2], [INT_MAX], [1], [1])),
    Case("starts clamp", (ints(2, 7),), cut([INT_MIN], [3], [1], [1])),
    Case("negative step, start over the end", (ints(2, 7),), cut([100], [1], [1], [-3])),
    Case("step over the length", (ints(2, 7),), cut([1], [7], [1], [100])),
    Case("step of the largest size", (ints(2, 7),), cut([1], [7], [1], [INT_MAX])),
    Case("step of the smallest size", (ints(2, 7),), cut([5], [INT_MIN], [1], [-INT_MAX])),
    Case("every axis, mixed steps", (ints(4, 5, 6),), cut([3, 1, 0], [INT_MIN, 5, 6], [0, 1, 2], [-1, 2, 3])),
    Case("one element", (ints(5),), cut([2], [3], [0], [1])),
    Case("focus", (ints(1, 3, 6, 6),), cut([1, 0], [INT_MAX, INT_MAX], [2, 3], [2, 2]), batch=True),
    Case("six dimensions", (ints(1, 2, 3, 4, 2, 3),), cut([1, 2], [3, 0], [2, 5], [1, -1])),
    *(Case(dtype, (of(dtype, 2, 5),), cut([4], [0], [1], [-2])) for dtype in DTYPES),
]

REFUSED = [
    Case("no steps", (ints(2, 7),), {"starts": [0], "ends": [1], "axes": [1]}, mentions="steps"),
    Case("lengths differ", (ints(2, 7),), cut([0], [1, 2], [1], [1]), mentions="ends"),
    Case("step 0", (ints(2, 7),), cut([0], [1], [1], [0]), mentions="steps"),
    Case("axis too large", (ints(2, 7),), cut([0], [1], [2], [1]), mentions="axes"),
    Case("axis twice", (ints(2, 7),), cut([0, 0], [1, 1], [1, -1], [1, 1]), mentions="axes"),
    Case("starts as an input", (ints(2, 7), ints(1)), cut([0], [1], [1], [1]), mentions="input"),
    Case("starts floats", (ints(2, 7),), {**cut([0], [1], [1], [1]), "starts": [0.0]}, mentions="starts"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("slice", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("slice", case)
