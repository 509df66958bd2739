"""reshape: the same elements in another shape; -k is k · N"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, ints

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("flatten the rest", (ints(2, 3, 4),), {"shape": [-1, 12]}, batch=True),
    Case("batch into the rows", (ints(2, 3, 4),), {"shape": [-3, 4]}, batch=True),
    Case("channel shuffle", (ints(2, 6, 3, 3),), {"shape": [-1, 2, 3, 3, 3]}, batch=True),
    Case("to one dimension", (ints(2, 3),), {"shape": [6]}),
    Case("to six dimensions", (ints(8, 3),), {"shape": [2, 2, 2, 1, 3, 1]}),
    Case("one element to a scalar", (ints(1, 1),), {"shape": []}),
    Case("scalar to one element", (np.array(3, np.float32),), {"shape": [1, 1]}),
    *(Case(dtype, (of(dtype, 2, 3),), {"shape": [3, 2]}) for dtype in DTYPES),
]

REFUSED = [
    Case("no shape", (ints(2, 3),), mentions="shape"),
    Case("elements differ", (ints(2, 3),), {"shape": [7]}, output_types=(("float32", (7,)),), mentions="shape"),
    Case("the product wraps to the right one", (ints(2, 3),), {"shape": [2**32, 2**32, 6]}),
    Case("seven dimensions", (ints(2, 3),), {"shape": [1, 1, 1, 1, 1, 2, 3]}),
    Case("ONNX's -1 is N here", (ints(2, 3),), {"shape": [-1, 3]}),
    Case(
        "allowzero",
        (ints(2, 3),),
        {"shape": [3, 2], "allowzero": 1},
        output_types=(("float32", (3, 2)),),
        mentions="allowzero",
    ),
    Case("shape a float list", (ints(2, 3),), {"shape": [3.0, 2.0]}, mentions="shape"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("reshape", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("reshape", case)
