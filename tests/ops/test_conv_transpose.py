"""conv_transpose: 1-d and 2-d, groups, dilation, output_padding"""

import pytest

from tests.support.cases import Case, check, check_refused, ints, normals, shifts

TWO = {"strides": [2, 2]}

CASES = [
    Case("one pixel", (ints(1, 1, 1, 1), shifts(1, 1, 1, 1)), weights=(1,)),
    Case("stride 2, kernel 2", (ints(2, 3, 4, 5), shifts(3, 4, 2, 2), ints(4)), TWO, weights=(1, 2), batch=True),
    Case(
        "stride 2, kernel 3, output_padding",
        (ints(2, 3, 4, 5), shifts(3, 4, 3, 3)),
        {**TWO, "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        weights=(1,),
        batch=True,
    ),
    Case("stride 1", (ints(1, 3, 4, 5), shifts(3, 4, 3, 3)), {"pads": [1, 1, 1, 1]}, weights=(1,)),
    Case("asymmetric pads", (ints(1, 3, 4, 5), shifts(3, 4, 3, 3)), {"pads": [0, 1, 2, 1], **TWO}, weights=(1,)),
    Case("dilation", (ints(1, 3, 4, 5), shifts(3, 4, 3, 2)), {"dilations": [2, 3]}, weights=(1,)),
    Case(
        "stride over the kernel leaves gaps", (ints(1, 2, 3, 3), shifts(2, 2, 2, 2)), {"strides": [3, 4]}, weights=(1,)
    ),
    Case("gaps get the bias", (ints(1, 2, 3, 3), shifts(2, 2, 1, 1), ints(2)), {"strides": [3, 3]}, weights=(1, 2)),
    Case("two groups", (ints(2, 4, 3, 5), shifts(4, 3, 3, 3), ints(6)), {"group": 2}, weights=(1, 2), batch=True),
    Case("depthwise", (ints(1, 5, 3, 4), shifts(5, 1, 3, 3)), {"group": 5, **TWO}, weights=(1,)),
    Case(
        "1-d", (ints(2, 3, 9), shifts(3, 4, 3), ints(4)), {"strides": [2], "pads": [1, 0]}, weights=(1, 2), batch=True
    ),
    Case(
        "1-d, output_padding, dilation",
        (ints(1, 4, 9), shifts(4, 2, 3)),
        {"strides": [3], "dilations": [2], "output_padding": [2], "group": 2},
        weights=(1,),
    ),
    Case("tails of every block", (ints(1, 17, 5, 9), shifts(17, 19, 3, 3)), TWO, weights=(1,)),
    Case("the weight is an input", (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)), compiled=False),
    Case(
        "the weight is an input, in groups",
        (ints(2, 6, 5, 4), ints(6, 9, 4, 3), ints(18)),
        {"strides": [2, 3], "pads": [1, 0, 2, 1], "dilations": [1, 2], "group": 2},
        compiled=False,
    ),
    Case(
        "depthwise, the weight is an input", (ints(2, 5, 3, 4), ints(5, 1, 4, 4)), {"group": 5, **TWO}, compiled=False
    ),
    Case(
        "depthwise gaps get the bias",
        (ints(2, 5, 3, 4), shifts(5, 1, 1, 2), ints(5)),
        {"strides": [3, 4], "group": 5},
        weights=(1, 2),
    ),
    Case(
        "dilation and stride leave gaps",
        (ints(2, 3, 4, 5), shifts(3, 4, 2, 2), ints(4)),
        {"strides": [2, 4], "dilations": [4, 2]},
        weights=(1, 2),
        batch=True,
    ),
    Case(
        "no output meets a tap",
        (ints(1, 2, 1, 1), shifts(2, 3, 1, 1), ints(3)),
        {"strides": [5, 1], "pads": [1, 0, 0, 0], "output_padding": [3, 0]},
        weights=(1, 2),
    ),
    Case("long lines", (ints(1, 3, 2, 300), shifts(3, 70, 2, 3)), TWO, weights=(1,)),
    Case("blocks of k", (ints(1, 800, 2, 3), shifts(800, 17, 2, 2)), TWO, weights=(1,)),
    Case("rounded", (normals(2, 16, 5, 6), normals(16, 9, 3, 3), normals(9)), TWO, weights=(1, 2), exact=False),
]

REFUSED = [
    Case(
        "unknown attribute",
        (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)),
        {"output_shape": [4, 4]},
        weights=(1,),
        mentions="output_shape",
    ),
    Case(
        "output_padding not below the stride",
        (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)),
        {"output_padding": [1, 1]},
        weights=(1,),
        mentions="output_padding",
    ),
    Case(
        "output_padding negative",
        (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)),
        {"output_padding": [-1, 0]},
        weights=(1,),
        mentions="output_padding",
    ),
    Case("pads eat the output", (ints(1, 2, 1, 1), shifts(2, 3, 2, 2)), {"pads": [2, 2, 2, 2]}, weights=(1,)),
    Case("stride 0", (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)), {"strides": [0, 1]}, weights=(1,), mentions="strides"),
    Case("stride huge", (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)), {"strides": [2**62, 2**62]}, weights=(1,)),
    Case("dilation huge", (ints(1, 2, 3, 3), shifts(2, 3, 2, 2)), {"dilations": [2**62, 2**62]}, weights=(1,)),
    Case("channels differ", (ints(1, 3, 3, 3), shifts(2, 3, 2, 2)), weights=(1,), mentions="(2, 3, 2, 2)"),
    Case("group does not divide", (ints(1, 3, 3, 3), shifts(3, 3, 2, 2)), {"group": 2}, weights=(1,), mentions="group"),
    Case("bias too short", (ints(1, 2, 3, 3), shifts(2, 3, 2, 2), ints(2)), weights=(1, 2)),
    Case("rank 5", (ints(1, 2, 3, 3, 3), shifts(2, 3, 1, 1, 1)), weights=(1,), mentions="rank"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("conv_transpose", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("conv_transpose", case)
