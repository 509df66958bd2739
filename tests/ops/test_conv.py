"""conv: 1-d and 2-d, groups, depthwise, dilation, pads on each side"""

import pytest

from tests.support.cases import Case, check, check_refused, indices, ints, normals, shifts

TWO = {"strides": [2, 2]}
PADS = {"pads": [1, 1, 1, 1]}
ALL = {"strides": [2, 1], "pads": [1, 0, 2, 3], "dilations": [1, 2]}

CASES = [
    Case("one pixel", (ints(1, 1, 1, 1), shifts(1, 1, 1, 1)), weights=(1,), batch=True),
    Case("pointwise", (ints(2, 5, 4, 3), shifts(7, 5, 1, 1), ints(7)), weights=(1, 2), batch=True),
    Case("pointwise with stride", (ints(2, 5, 5, 7), shifts(3, 5, 1, 1)), TWO, weights=(1,), batch=True),
    Case("three by three", (ints(2, 3, 7, 5), shifts(4, 3, 3, 3), ints(4)), PADS, weights=(1, 2), batch=True),
    Case("no pads", (ints(2, 3, 7, 5), shifts(4, 3, 3, 3)), weights=(1,), batch=True),
    Case("kernel as large as the image", (ints(2, 3, 4, 4), shifts(5, 3, 4, 4)), weights=(1,), batch=True),
    Case(
        "kernel larger than the unpadded image",
        (ints(1, 2, 2, 2), shifts(3, 2, 5, 5)),
        {"pads": [2, 2, 2, 2]},
        weights=(1,),
    ),
    Case(
        "strides, asymmetric pads, dilation",
        (ints(2, 3, 9, 11), shifts(4, 3, 3, 2), ints(4)),
        ALL,
        weights=(1, 2),
        batch=True,
    ),
    Case("pads at the end only", (ints(1, 2, 5, 5), shifts(3, 2, 2, 2)), {"pads": [0, 0, 1, 1]}, weights=(1,)),
    Case("pads wider than the kernel", (ints(1, 2, 3, 3), shifts(2, 2, 2, 2)), {"pads": [3, 4, 5, 2]}, weights=(1,)),
    Case(
        "stem of a resnet",
        (ints(1, 3, 33, 31), shifts(8, 3, 7, 7)),
        {"strides": [2, 2], "pads": [3, 3, 3, 3]},
        weights=(1,),
        batch=True,
    ),
    Case("stride over the kernel", (ints(1, 2, 9, 9), shifts(3, 2, 2, 2)), {"strides": [4, 3]}, weights=(1,)),
    Case(
        "dilation 3",
        (ints(1, 2, 11, 13), shifts(3, 2, 3, 3)),
        {"dilations": [3, 3], "pads": [3, 3, 3, 3]},
        weights=(1,),
    ),
    Case(
        "two groups", (ints(2, 4, 5, 5), shifts(6, 2, 3, 3), ints(6)), {"group": 2, **PADS}, weights=(1, 2), batch=True
    ),
    Case("groups with three channels each", (ints(1, 9, 5, 4), shifts(6, 3, 2, 2)), {"group": 3}, weights=(1,)),
    Case(
        "depthwise", (ints(2, 7, 6, 5), shifts(7, 1, 3, 3), ints(7)), {"group": 7, **PADS}, weights=(1, 2), batch=True
    ),
    Case(
        "depthwise, stride 2",
        (ints(2, 19, 9, 7), shifts(19, 1, 3, 3)),
        {"group": 19, **PADS, **TWO},
        weights=(1,),
        batch=True,
    ),
    Case(
        "depthwise five by five",
        (ints(1, 3, 9, 8), shifts(3, 1, 5, 5)),
        {"group": 3, "pads": [2, 2, 2, 2]},
        weights=(1,),
    ),
    Case("depthwise, two outputs a channel", (ints(1, 5, 6, 6), shifts(10, 1, 3, 3)), {"group": 5}, weights=(1,)),
    Case(
        "depthwise dilated, uneven",
        (ints(1, 5, 9, 6), shifts(5, 1, 3, 2)),
        {"group": 5, "dilations": [2, 3], "pads": [0, 1, 2, 3], "strides": [1, 2]},
        weights=(1,),
    ),
    Case("kernel 1 by 7", (ints(1, 3, 5, 9), shifts(4, 3, 1, 7)), {"pads": [0, 3, 0, 3]}, weights=(1,)),
    Case("kernel 7 by 1", (ints(1, 3, 9, 5), shifts(4, 3, 7, 1)), {"pads": [3, 0, 3, 0]}, weights=(1,)),
    Case("tails of every block", (ints(1, 17, 19, 23), shifts(37, 17, 3, 3)), PADS, weights=(1,), batch=True),
    Case("one row", (ints(1, 3, 1, 40), shifts(5, 3, 1, 3)), weights=(1,)),
    Case("one column", (ints(1, 3, 40, 1), shifts(5, 3, 3, 1)), weights=(1,)),
    Case("1-d", (ints(2, 3, 17), shifts(4, 3, 5), ints(4)), {"pads": [2, 2]}, weights=(1, 2), batch=True),
    Case("1-d pointwise", (ints(2, 3, 1), shifts(4, 3, 1)), weights=(1,), batch=True),
    Case(
        "1-d, all of it",
        (ints(2, 6, 29), shifts(4, 3, 3)),
        {"pads": [3, 1], "strides": [3], "dilations": [4], "group": 2},
        weights=(1,),
        batch=True,
    ),
    Case("1-d depthwise", (ints(2, 6, 29), shifts(6, 1, 3)), {"group": 6, "pads": [1, 1]}, weights=(1,), batch=True),
    Case("the weight is an input", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3), ints(3)), PADS, compiled=False),
    Case("the weight is an input, of many filters", (ints(2, 9, 7, 6), ints(70, 9, 3, 3)), PADS, compiled=False),
    Case("the weight is an input, in groups", (ints(2, 8, 7, 6), ints(10, 4, 3, 2)), {"group": 2}, compiled=False),
    Case("depthwise, the weight is an input", (ints(2, 5, 7, 6), ints(5, 1, 2, 3)), {"group": 5}, compiled=False),
    Case("a batch of 9", (ints(9, 3, 6, 6), shifts(4, 3, 3, 3)), PADS, weights=(1,), batch=True),
    Case(
        "zeros among the weights", (ints(2, 3, 7, 5), ints(4, 3, 3, 3, low=-1, high=1)), PADS, weights=(1,), batch=True
    ),
    Case(
        "rounded",
        (normals(2, 16, 9, 9), normals(24, 16, 3, 3), normals(24)),
        PADS,
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case(
        "rounded depthwise",
        (normals(2, 16, 9, 9), normals(16, 1, 3, 3)),
        {"group": 16, **PADS},
        weights=(1,),
        exact=False,
    ),
    Case(
        "rounded pointwise, large values",
        (normals(2, 64, 7, 7, scale=1e4), normals(32, 64, 1, 1, scale=1e3)),
        weights=(1,),
        exact=False,
    ),
    Case("rounded 1-d", (normals(2, 16, 33), normals(24, 16, 5)), weights=(1,), exact=False),
]

REFUSED = [
    Case(
        "unknown attribute", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"stride": [1, 1]}, weights=(1,), mentions="stride"
    ),
    Case(
        "auto_pad",
        (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)),
        {"auto_pad": "SAME_UPPER"},
        weights=(1,),
        mentions="auto_pad",
    ),
    Case(
        "strides too short", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"strides": [1]}, weights=(1,), mentions="strides"
    ),
    Case("stride 0", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"strides": [0, 1]}, weights=(1,), mentions="strides"),
    Case(
        "stride negative",
        (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)),
        {"strides": [1, -1]},
        weights=(1,),
        mentions="strides",
    ),
    Case("stride huge", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"strides": [2**62, 2**62]}, weights=(1,)),
    Case(
        "dilation 0", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"dilations": [0, 1]}, weights=(1,), mentions="dilations"
    ),
    Case("dilation huge", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"dilations": [2**62, 2**62]}, weights=(1,)),
    Case(
        "pads negative", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"pads": [-1, 0, 0, 0]}, weights=(1,), mentions="pads"
    ),
    Case("pads too short", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"pads": [1, 1]}, weights=(1,), mentions="pads"),
    Case("pads huge", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"pads": [2**62, 0, 2**62, 0]}, weights=(1,)),
    Case(
        "pads at the edge of int64",
        (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)),
        {"pads": [2**63 - 1, 0, 2**63 - 1, 0]},
        weights=(1,),
    ),
    Case("group 0", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"group": 0}, weights=(1,), mentions="group"),
    Case("group negative", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3)), {"group": -1}, weights=(1,), mentions="group"),
    Case(
        "group does not divide the outputs",
        (ints(1, 4, 5, 5), shifts(3, 2, 3, 3)),
        {"group": 2},
        weights=(1,),
        mentions="group",
    ),
    Case("channels differ", (ints(1, 3, 5, 5), shifts(3, 2, 3, 3)), weights=(1,), mentions="(3, 2, 3, 3)"),
    Case("kernel over the image", (ints(1, 2, 2, 2), shifts(3, 2, 3, 3)), weights=(1,)),
    Case("rank 2", (ints(2, 5), shifts(3, 5)), weights=(1,), mentions="rank"),
    Case("rank 5", (ints(1, 2, 3, 3, 3), shifts(3, 2, 1, 1, 1)), weights=(1,), mentions="rank"),
    Case("ranks differ", (ints(1, 2, 3, 3), shifts(3, 2, 1)), weights=(1,), mentions="rank"),
    Case("bias too long", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3), ints(4)), weights=(1, 2)),
    Case("bias of rank 2", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3), ints(1, 3)), weights=(1, 2)),
    Case("four inputs", (ints(1, 2, 5, 5), shifts(3, 2, 3, 3), ints(3), ints(3)), weights=(1, 2), mentions="input"),
    Case("no weight", (ints(1, 2, 5, 5),), mentions="input"),
    Case("absent weight", (ints(1, 2, 5, 5), None, ints(3)), mentions="input"),
    Case("int64", (indices(1, shape=(1, 1, 1, 1)), indices(1, shape=(1, 1, 1, 1))), weights=(1,), mentions="int64"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("conv", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("conv", case)
