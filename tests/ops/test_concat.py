"""concat: inputs one after another along an axis"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, indices, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("channels", (ints(2, 3, 4, 5), ints(2, 1, 4, 5)), {"axis": 1}, batch=True),
    Case("three, last axis", (ints(2, 3), ints(2, 1), ints(2, 4)), {"axis": -1}, batch=True),
    Case("first axis", (ints(2, 3), ints(5, 3)), {"axis": 0}),
    Case("the batch with itself", (ints(2, 3), ints(2, 3, seed=1)), {"axis": 0}, batch=True),
    Case("one input", (ints(2, 3),), {"axis": 1}, compiled=False),
    Case("with a weight", (ints(1, 2, 3), ints(1, 1, 3)), {"axis": 1}, weights=(1,)),
    Case("vectors", (ints(1), ints(5)), {"axis": 0}),
    Case("six dimensions", (ints(1, 2, 1, 3, 1, 2), ints(1, 2, 1, 4, 1, 2)), {"axis": 3}),
    Case("nine inputs", tuple(ints(1, i + 1, 3) for i in range(9)), {"axis": 1}),
    *(Case(dtype, (of(dtype, 2, 3), of(dtype, 2, 2)), {"axis": 1}) for dtype in DTYPES),
]

REFUSED = [
    Case("no axis", (ints(2, 3), ints(2, 3)), mentions="axis"),
    Case("axis too large", (ints(2, 3), ints(2, 3)), {"axis": 2}, mentions="axis"),
    Case("other sizes differ", (ints(2, 3), ints(3, 3)), {"axis": 1}, mentions="(3, 3)"),
    Case("ranks differ", (ints(2, 3), ints(2, 3, 1)), {"axis": 1}),
    Case("dtypes differ", (ints(2, 3), indices(1, 2, shape=(2, 1))), {"axis": 1}, mentions="int64"),
    Case("scalars", (np.array(1, np.float32), np.array(1, np.float32)), {"axis": 0}),
    Case("absent input", (ints(2, 3), None, ints(2, 3)), {"axis": 1}, output_types=(("float32", (2, 6)),)),
    Case("unknown attribute", (ints(2, 3), ints(2, 3)), {"axis": 1, "dim": 1}, mentions="dim"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("concat", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("concat", case)
