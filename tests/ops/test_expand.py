"""expand: broadcast to a shape; -k is k · N"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("one axis", (ints(2, 1),), {"shape": [2, 3]}),
    Case("class token", (ints(1, 1, 4),), {"shape": [3, 1, 4]}),
    Case("shape shorter than x", (ints(2, 3, 1),), {"shape": [4]}),
    Case("ones in the shape keep x", (ints(2, 3),), {"shape": [1, 1]}, compiled=False),
    Case("both sides broadcast", (ints(3, 1),), {"shape": [2, 1, 4]}),
    Case("scalar", (np.array(3, np.float32),), {"shape": [2, 2]}),
    Case("with a batch", (ints(2, 1, 3),), {"shape": [-1, 4, 3]}, batch=True),
    Case("six dimensions", (ints(2, 1, 3),), {"shape": [2, 1, 2, 2, 4, 3]}),
    *(Case(dtype, (of(dtype, 2, 1),), {"shape": [2, 3]}) for dtype in DTYPES),
]

REFUSED = [
    Case("no shape", (ints(2, 1),), mentions="shape"),
    Case("does not broadcast", (ints(2, 3),), {"shape": [2, 4]}, output_types=(("float32", (2, 4)),)),
    Case("seven dimensions", (ints(1),), {"shape": [1, 1, 1, 1, 1, 1, 1]}),
    Case("over the caps", (ints(1),), {"shape": [2**20, 2**20]}),
    Case("the product overflows", (ints(1),), {"shape": [2**32, 2**32, 2**32]}),
    Case("unknown attribute", (ints(2, 1),), {"shape": [2, 3], "size": [2]}, mentions="size"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("expand", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("expand", case)
