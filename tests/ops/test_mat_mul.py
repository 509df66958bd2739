"""mat_mul: numpy.matmul"""

import numpy as np
import pytest

from tests.support.cases import Case, check, check_refused, indices, ints, normals, shifts

CASES = [
    Case("two matrices", (ints(4, 7), shifts(7, 3)), weights=(1,)),
    Case("two inputs", (ints(4, 7), ints(7, 3))),
    Case("rows of a batch", (ints(2, 5, 7), shifts(7, 3)), weights=(1,), batch=True),
    Case("both have a batch", (ints(3, 4, 5), ints(3, 5, 6)), batch=True),
    Case("attention", (ints(2, 3, 9, 4), ints(2, 3, 4, 9)), batch=True),
    Case("batch of one against many", (ints(1, 4, 5), ints(3, 5, 6))),
    Case("many against a batch of one", (ints(3, 1, 4, 5), ints(1, 2, 5, 6))),
    Case("vector times matrix", (ints(5), shifts(5, 3)), weights=(1,)),
    Case("matrix times vector", (ints(4, 5), shifts(5)), weights=(1,)),
    Case("vector times vector", (ints(5), ints(5, seed=1))),
    Case("vector against a batch", (ints(5), ints(2, 5, 3))),
    Case("batch against a vector", (ints(2, 3, 5), ints(5))),
    Case("weight on the left", (shifts(4, 7), ints(2, 7, 3)), weights=(0,), batch=True),
    Case("a stack of weights", (ints(2, 3, 4, 5), shifts(3, 5, 17)), weights=(1,), batch=True),
    Case("a weight for part of the stack", (ints(2, 3, 4, 5), shifts(2, 1, 5, 6)), weights=(1,)),
    Case("one b for the last axis", (ints(1, 4, 5, 7), ints(3, 1, 7, 6))),
    Case("tails of every block, both inputs", (ints(3, 50, 131), ints(3, 131, 67)), batch=True),
    Case("blocks of k, both inputs", (ints(2, 5, 1600), ints(2, 1600, 33))),
    Case("one by one", (ints(1, 1), ints(1, 1))),
    Case("tails of every block", (ints(2, 13, 131), shifts(131, 67)), weights=(1,), batch=True),
    Case("six dimensions", (ints(1, 2, 1, 2, 3, 4), ints(2, 1, 3, 1, 4, 2))),
    Case("rounded, both inputs", (normals(2, 9, 300), normals(2, 300, 33)), batch=True, exact=False),
    Case("rounded", (normals(2, 9, 300), normals(300, 33)), weights=(1,), batch=True, exact=False),
]

REFUSED = [
    Case("inner sizes differ", (ints(2, 5), ints(4, 3)), mentions="(4, 3)"),
    Case("batches do not broadcast", (ints(2, 2, 5), ints(3, 5, 3)), mentions="broadcast"),
    Case("scalar", (ints(2, 5), np.array(1, np.float32)), mentions="rank"),
    Case("int64", (indices(1, shape=(1, 1)), indices(1, shape=(1, 1))), mentions="int64"),
    Case("unknown attribute", (ints(2, 5), ints(5, 3)), {"trans_b": 1}, mentions="trans_b"),
    Case("one input", (ints(2, 5),), mentions="input"),
    Case("three inputs", (ints(2, 5), ints(5, 2), ints(2)), mentions="input"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("mat_mul", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("mat_mul", case)
