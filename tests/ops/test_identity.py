"""identity: x, unchanged"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    *(Case(dtype, (of(dtype, 3, 4),)) for dtype in DTYPES),
    Case("batch", (ints(3, 4),), batch=True),
    Case("scalar", (np.array(7, np.float32),)),
    Case("nan and infinity", (floats(np.nan, np.inf, -0.0),)),
]

REFUSED = [
    Case("two inputs", (ints(3), ints(3)), mentions="input"),
    Case("unknown attribute", (ints(3),), {"to": "float32"}, mentions="to"),
    Case("another dtype", (ints(3),), output_types=(("int32", (3,)),), mentions="int32"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("identity", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("identity", case)
