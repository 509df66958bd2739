"""gather: rows of x by index; negative indices count from the end"""

import numpy as np
import pytest

from dsruntime import load
from dsruntime.errors import ModelError
from tests.support.cases import Case, check, check_refused, indices, ints
from tests.support.one_node import one_node_file

DTYPES = ("float32", "float16", "int8", "uint8", "int32", "int64", "bool")


def of(dtype, *shape):
    return (ints(*shape) > 0) if dtype == "bool" else (ints(*shape) + 8).astype(dtype)


CASES = [
    Case("one row", (ints(5, 3), np.array(2, np.int64)), weights=(1,)),
    Case("rows", (ints(5, 3), indices(4, 0, 2, 2)), weights=(1,)),
    Case("columns", (ints(2, 5), indices(4, 0)), {"axis": 1}, weights=(1,), batch=True),
    Case("class token", (ints(2, 5, 4), np.array(0, np.int64)), {"axis": 1}, weights=(1,), batch=True),
    Case("negative indices", (ints(5, 3), indices(-1, -5, 0)), weights=(1,)),
    Case("negative axis", (ints(2, 3, 5), indices(1, 3)), {"axis": -1}, weights=(1,), batch=True),
    Case("indices of rank 2", (ints(5, 3), indices(0, 1, 2, 3, 4, 0, shape=(2, 3))), weights=(1,)),
    Case("indices as an input", (ints(5, 3), indices(4, 1))),
    Case("embedding", (ints(11, 4), indices(1, 10, 3, 0, shape=(2, 2))), weights=(0,)),
    Case("a vector", (ints(5), indices(3)), weights=(1,)),
    Case(
        "six dimensions out",
        (ints(2, 3, 2, 1), indices(0, 1, 1, 0, 1, 0, 2, 2, shape=(2, 2, 2))),
        {"axis": 1},
        weights=(1,),
    ),
    *(Case(dtype, (of(dtype, 4, 3), indices(3, 1)), weights=(1,)) for dtype in DTYPES),
]

REFUSED = [
    Case("float indices", (ints(5, 3), ints(2)), mentions="float32"),
    Case("int32 indices", (ints(5, 3), indices(1).astype(np.int32)), mentions="int32"),
    Case("axis too large", (ints(5, 3), indices(1)), {"axis": 2}, mentions="axis"),
    Case("no indices", (ints(5, 3),), mentions="input"),
    Case("a scalar", (np.array(1, np.float32), indices(0))),
    Case("over six dimensions", (ints(1, 1, 1, 2), indices(0, shape=(1, 1, 1, 1)))),
    Case(
        "unknown attribute",
        (ints(5, 3), indices(1)),
        {"batch_dims": 0},
        output_types=(("float32", (1, 3)),),
        mentions="batch_dims",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees(case, tmp_path):
    check("gather", case, tmp_path)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_is_refused(case):
    check_refused("gather", case)


@pytest.mark.parametrize("index", [5, -6, 2**40, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_an_index_out_of_range_is_an_error_of_the_run(index, backend):
    case = Case("rows", (ints(5, 3), indices(0, 1)))
    with load(one_node_file("gather", case), backend=backend) as session:
        with pytest.raises(ModelError, match=str(index)):
            session.run({"x0": case.inputs[0], "x1": indices(0, index)})
        session.run({"x0": case.inputs[0], "x1": indices(0, 4)})
