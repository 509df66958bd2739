"""cast: x in another dtype"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints

DTYPES = ("float32", "int64", "int32", "uint8", "int8", "bool")

CASES = [
    *(
        Case(f"{source} to {to}", (np.array([0, 1, 2, 100, 127, 3], source),), {"to": to}, compiled=source != to)
        for source in DTYPES
        for to in DTYPES
    ),
    Case("floats truncate", (floats(0.5, -0.5, 1.9, -1.9, 2.5, -3.5),), {"to": "int64"}),
    Case("floats truncate to int8", (floats(0.5, -0.5, 1.9, -1.9, 100.9, -128.0),), {"to": "int8"}),
    Case("any but zero is true", (floats(0.0, -0.0, 0.1, -5.0, np.inf, np.nan),), {"to": "bool"}),
    Case("int64 wraps to uint8", (indices(256, 257, -1, 511),), {"to": "uint8"}),
    Case("int64 wraps to int32", (indices(2**32 + 5, -(2**31), 2**31, -1),), {"to": "int32"}),
    Case("int64 rounds to float32", (indices(2**24 + 1, 2**53 + 1, -(2**62) + 1),), {"to": "float32"}),
    Case(
        "floats out of range",
        (floats(1e30, -1e30, np.nan, np.inf),),
        {"to": "int32"},
        onnx=False,
        output_types=(("int32", (4,)),),
    ),
    Case(
        "floats out of the range of int8",
        (floats(300.0, -300.0, np.nan, -np.inf),),
        {"to": "int8"},
        onnx=False,
        output_types=(("int8", (4,)),),
    ),
    Case(
        "floats out of the range of uint8",
        (floats(300.0, -3.0, np.nan, -np.inf),),
        {"to": "uint8"},
        onnx=False,
        output_types=(("uint8", (4,)),),
    ),
    Case(
        "floats out of the range of int64",
        (floats(1e30, -1e30, np.nan, np.inf),),
        {"to": "int64"},
        onnx=False,
        output_types=(("int64", (4,)),),
    ),
    Case("batch", (ints(2, 3),), {"to": "int32"}, batch=True),
    Case("scalar", (np.array(3, np.float32),), {"to": "int64"}),
]

REFUSED = [
    Case("no to", (ints(3),), mentions="to"),
    Case("to unknown", (ints(3),), {"to": "float64"}, mentions="float64"),
    Case("to a number", (ints(3),), {"to": 1}, mentions="to"),
    Case("declared otherwise", (ints(3),), {"to": "int64"}, output_types=(("int32", (3,)),), mentions="int32"),
    Case("unknown attribute", (ints(3),), {"to": "float32", "saturate": 1}, mentions="saturate"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("cast", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("cast", case)
