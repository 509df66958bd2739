"""max_pool: 1-d and 2-d, pads, dilation, ceil_mode. Of -inf alone it is -inf; ONNX Runtime says -3.4e38."""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, floats, indices, ints, normals

CASES = [
    Case("two by two", (ints(2, 3, 6, 8),), {"kernel_shape": [2, 2], "strides": [2, 2]}, batch=True),
    Case("default stride 1", (ints(2, 3, 5, 4),), {"kernel_shape": [2, 3]}, batch=True),
    Case("resnet", (ints(1, 5, 9, 7),), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, batch=True),
    Case("ceil_mode", (ints(2, 3, 6, 7),), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, batch=True),
    Case(
        "ceil_mode drops a window that starts in the pad",
        (ints(1, 2, 4, 4),),
        {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    ),
    Case("asymmetric pads", (ints(1, 2, 5, 6),), {"kernel_shape": [3, 3], "pads": [0, 1, 2, 0]}),
    Case("dilation", (ints(1, 2, 9, 8),), {"kernel_shape": [3, 2], "dilations": [2, 3]}),
    Case(
        "dilation, pads, stride, ceil",
        (ints(1, 2, 10, 9),),
        {"kernel_shape": [3, 3], "dilations": [2, 2], "pads": [1, 1, 1, 1], "strides": [2, 3], "ceil_mode": 1},
    ),
    Case("all negative, padded", (ints(1, 2, 4, 4, low=-9, high=-1),), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    Case(
        "minus infinity",
        (np.full((1, 1, 3, 3), -np.inf, np.float32),),
        {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]},
        onnx=False,
        output_types=(("float32", (1, 1, 3, 3)),),
    ),
    Case("infinity", (floats(1, np.inf, 5, 2).reshape(1, 1, 2, 2),), {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}),
    Case(
        "nan",
        (floats(1, 2, np.nan, 3, 4, 5, 6, 7, 8).reshape(1, 1, 3, 3),),
        {"kernel_shape": [2, 2]},
        onnx=False,
        output_types=(("float32", (1, 1, 2, 2)),),
    ),
    Case("one pixel", (ints(1, 1, 1, 1),), {"kernel_shape": [1, 1]}),
    Case("whole image", (ints(1, 3, 5, 7),), {"kernel_shape": [5, 7]}),
    Case("stride over the kernel", (ints(1, 3, 9, 9),), {"kernel_shape": [2, 2], "strides": [4, 3]}),
    Case("many channels, odd", (normals(2, 37, 13, 11),), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, batch=True),
    Case("1-d", (ints(2, 3, 11),), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}, batch=True),
    Case(
        "1-d, ceil_mode, dilation",
        (ints(2, 3, 12),),
        {"kernel_shape": [3], "strides": [2], "dilations": [2], "ceil_mode": 1},
        batch=True,
    ),
]

REFUSED = [
    Case("no kernel_shape", (ints(1, 2, 5, 5),), mentions="kernel_shape"),
    Case("kernel_shape too short", (ints(1, 2, 5, 5),), {"kernel_shape": [2]}, mentions="kernel_shape"),
    Case("kernel 0", (ints(1, 2, 5, 5),), {"kernel_shape": [0, 2]}, mentions="kernel_shape"),
    Case("kernel over the image", (ints(1, 2, 2, 2),), {"kernel_shape": [3, 3]}),
    Case("kernel huge", (ints(1, 2, 2, 2),), {"kernel_shape": [2**62, 2**62]}),
    Case("stride 0", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "strides": [1, 0]}, mentions="strides"),
    Case("stride huge", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "strides": [2**62, 2**62]}),
    Case(
        "stride huge, ceil_mode",
        (ints(1, 2, 5, 5),),
        {"kernel_shape": [2, 2], "strides": [2**63 - 1, 2**63 - 1], "ceil_mode": 1},
    ),
    Case(
        "pads as wide as the kernel",
        (ints(1, 2, 5, 5),),
        {"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]},
        mentions="pads",
    ),
    Case("pads negative", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, mentions="pads"),
    Case("pads huge", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "pads": [2**62, 0, 2**62, 0]}, mentions="pads"),
    Case("dilation 0", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "dilations": [0, 0]}, mentions="dilations"),
    Case("dilation huge", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "dilations": [2**62, 2**62]}),
    Case("ceil_mode 2", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "ceil_mode": 2}, mentions="ceil_mode"),
    Case("rank 2", (ints(2, 5),), {"kernel_shape": [2]}, mentions="rank"),
    Case("rank 5", (ints(1, 2, 3, 3, 3),), {"kernel_shape": [1, 1, 1]}, mentions="rank"),
    Case("int64", (indices(1, shape=(1, 1, 1, 1)),), {"kernel_shape": [1, 1]}, mentions="int64"),
    Case(
        "unknown attribute", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2], "storage_order": 0}, mentions="storage_order"
    ),
    Case("two inputs", (ints(1, 2, 5, 5), ints(1)), {"kernel_shape": [2, 2]}, mentions="input"),
    Case("two outputs", (ints(1, 2, 5, 5),), {"kernel_shape": [2, 2]}, outputs=2, mentions="output"),
    Case(
        "count_include_pad",
        (ints(1, 2, 5, 5),),
        {"kernel_shape": [2, 2], "count_include_pad": 1},
        mentions="count_include_pad",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("max_pool", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("max_pool", case)
