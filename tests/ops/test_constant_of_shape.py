"""constant_of_shape: a tensor of one value"""

import pytest

from tests.ops.test_pad import OUT_OF_RANGE
from tests.support.cases import Case, check, check_refused, ints

CASES = [
    Case("zeros", (), {"shape": [2, 3]}, compiled=False),
    Case("a value", (), {"shape": [4], "value": -2.5}, compiled=False),
    Case("int64", (), {"shape": [2], "dtype": "int64", "value": 7.0}, compiled=False),
    Case("int32", (), {"shape": [2], "dtype": "int32", "value": -7.0}, compiled=False),
    Case("bool", (), {"shape": [2], "dtype": "bool", "value": 1.0}, compiled=False),
    Case("uint8", (), {"shape": [2], "dtype": "uint8", "value": 255.0}, compiled=False),
    Case("int64, the least", (), {"shape": [2], "dtype": "int64", "value": -(2.0**63)}, compiled=False),
    Case("nan", (), {"shape": [2], "value": float("nan")}, compiled=False),
    Case("scalar", (), {"shape": [], "value": 3.0}, compiled=False),
    Case("six dimensions", (), {"shape": [1, 2, 1, 2, 1, 2]}, compiled=False),
]

REFUSED = [
    *(
        Case(
            f"{value} as {dtype}",
            (),
            {"shape": [2], "dtype": dtype, "value": value},
            output_types=((dtype, (2,)),),
            mentions=f"of dtype {dtype}",
        )
        for dtype, value in OUT_OF_RANGE
    ),
    Case("no shape", (), output_types=(("float32", (2,)),), mentions="shape"),
    Case(
        "dtype unknown", (), {"shape": [2], "dtype": "float64"}, output_types=(("float32", (2,)),), mentions="float64"
    ),
    Case(
        "value does not fit",
        (),
        {"shape": [2], "dtype": "int8", "value": 300.0},
        output_types=(("int8", (2,)),),
        mentions="value",
    ),
    Case("over the caps", (), {"shape": [2**20, 2**20]}, output_types=(("float32", (2**20, 2**20)),)),
    Case("an input", (ints(2),), {"shape": [2]}, output_types=(("float32", (2,)),), mentions="input"),
    Case("unknown attribute", (), {"shape": [2], "fill": 1.0}, output_types=(("float32", (2,)),), mentions="fill"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("constant_of_shape", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("constant_of_shape", case)
