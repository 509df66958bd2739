"""gemm: alpha · A · B + beta · C; trans_a and trans_b transpose first"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, indices, ints, normals, shifts

CASES = [
    Case("linear with a bias", (ints(2, 5), shifts(3, 5), ints(3)), {"trans_b": 1}, weights=(1, 2), batch=True),
    Case("linear without a bias", (ints(2, 5), shifts(3, 5)), {"trans_b": 1}, weights=(1,), batch=True),
    Case("plain", (ints(4, 7), shifts(7, 3)), weights=(1,)),
    Case("trans a", (ints(7, 4), shifts(7, 3)), {"trans_a": 1}, weights=(1,)),
    Case("both transposed", (ints(7, 4), shifts(3, 7)), {"trans_a": 1, "trans_b": 1}, weights=(1,)),
    Case("both are inputs", (ints(4, 7), ints(7, 3))),
    Case("a is the weight", (shifts(4, 7), ints(7, 3)), weights=(0,)),
    Case("alpha and beta", (ints(2, 5), shifts(5, 3), ints(3)), {"alpha": 0.5, "beta": 4.0}, weights=(1, 2)),
    Case("alpha 0", (ints(2, 5), shifts(5, 3), ints(3)), {"alpha": 0.0}, weights=(1, 2)),
    Case("beta 0", (ints(2, 5), shifts(5, 3), ints(3)), {"beta": 0.0}, weights=(1, 2)),
    Case("c a column", (ints(2, 5), shifts(5, 3), ints(2, 1)), weights=(1, 2)),
    Case("c a scalar", (ints(2, 5), shifts(5, 3), np.array(3, np.float32)), weights=(1, 2)),
    Case("c the whole shape", (ints(2, 5), shifts(5, 3), ints(2, 3)), weights=(1,)),
    Case("c one element", (ints(2, 5), shifts(5, 3), ints(1)), weights=(1, 2)),
    Case("c and blocks of k", (ints(3, 1600), ints(1600, 20), ints(3, 20)), {"alpha": 2.0, "beta": 0.5}),
    Case("b is an input, transposed", (ints(50, 37), ints(70, 37), ints(70)), {"trans_b": 1}),
    Case("all are inputs, both transposed", (ints(37, 50), ints(70, 37), ints(50, 1)), {"trans_a": 1, "trans_b": 1}),
    Case("one by one", (ints(1, 1), shifts(1, 1)), weights=(1,)),
    Case(
        "one row, many columns", (ints(1, 129), shifts(67, 129), ints(67)), {"trans_b": 1}, weights=(1, 2), batch=True
    ),
    Case("tails of every block", (ints(13, 257), shifts(131, 257)), {"trans_b": 1}, weights=(1,), batch=True),
    Case("k of 1", (ints(5, 1), shifts(1, 9)), weights=(1,)),
    Case(
        "rounded",
        (normals(9, 300), normals(33, 300), normals(33)),
        {"trans_b": 1},
        weights=(1, 2),
        batch=True,
        exact=False,
    ),
    Case(
        "rounded, alpha and beta",
        (normals(9, 30), normals(30, 33), normals(33)),
        {"alpha": 0.3, "beta": 0.7},
        weights=(1, 2),
        exact=False,
    ),
]

REFUSED = [
    Case("inner sizes differ", (ints(2, 5), shifts(4, 3)), weights=(1,), mentions="(4, 3)"),
    Case("rank 3", (ints(2, 5, 1), shifts(5, 3)), weights=(1,), mentions="rank"),
    Case("rank 1", (ints(5), shifts(5, 3)), weights=(1,), mentions="rank"),
    Case(
        "c too wide",
        (ints(2, 5), shifts(5, 3), ints(4)),
        weights=(1, 2),
        output_types=(("float32", (2, 3)),),
        mentions="(4,)",
    ),
    Case("c widens the output", (ints(1, 5), shifts(5, 3), ints(2, 3)), output_types=(("float32", (2, 3)),)),
    Case("c of rank 3", (ints(2, 5), shifts(5, 3), ints(1, 2, 3)), output_types=(("float32", (2, 3)),)),
    Case("int64", (indices(1, shape=(1, 1)), indices(1, shape=(1, 1))), mentions="int64"),
    Case("trans_b a float", (ints(2, 5), shifts(5, 3)), {"trans_b": 1.0}, weights=(1,), mentions="trans_b"),
    Case("trans_b 2", (ints(2, 5), shifts(5, 3)), {"trans_b": 2}, weights=(1,), mentions="trans_b"),
    Case("alpha an integer", (ints(2, 5), shifts(5, 3)), {"alpha": 1}, weights=(1,), mentions="alpha"),
    Case("unknown attribute", (ints(2, 5), shifts(5, 3)), {"transB": 1}, weights=(1,), mentions="transB"),
    Case("one input", (ints(2, 5),), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("gemm", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("gemm", case)
