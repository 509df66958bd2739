"""infer_shapes: static but for the batch; a batch that reaches a shape in another way is refused by name."""

import numpy as np
import pytest

from dscompress.errors import CompileError
from dscompress.passes import batch
from dscompress.passes.infer_shapes import InferShapes
from tests.compile.graphs import parse

FLATTEN_BY_HAND = """
g (float[batch, 3, 4, 4] x) => (float[n, m] y) {
    shape = Shape(x)
    rows = Gather(shape, zero)
    target = Concat<axis = 0>(rows, rest)
    y = Reshape(x, target)
}"""


def by_hand(batch_size: str = "batch"):
    return parse(FLATTEN_BY_HAND.replace("batch", batch_size), zero=np.array([0]), rest=np.array([-1]))


def shapes(model) -> dict:
    InferShapes()(model)
    return {value.name: batch.dimensions(value) for node in model.graph for value in node.outputs if value.shape}


def test_a_flatten_by_hand():
    assert shapes(by_hand())["y"] == (-1, 48)


def test_multiples_of_the_batch():
    model = parse("g (float[batch, 4, 6] x) => (float[a, b] y) { y = Reshape(x, target) }", target=np.array([-1, 6]))
    assert shapes(model)["y"] == (-4, 6)


def test_a_fixed_batch_is_a_number():
    assert shapes(by_hand("2"))["y"] == (2, 48)


def test_constants_and_what_differs_are_remembered():
    model = by_hand()
    shapes(model)
    found = {value.name: value.meta for node in model.graph for value in node.outputs}
    assert "constant" not in found["shape"]
    assert [array.tolist() for array in found["target"]["per_batch"]] == [[7, -1], [11, -1]]


def test_refuses_a_cut_batch_by_name():
    model = parse(
        "g (float[batch, 4] x) => (float[n, m] y) { y = Slice(x, one, end, zero) }",
        one=np.array([1]),
        end=np.array([2**60]),
        zero=np.array([0]),
    )
    with pytest.raises(CompileError, match=r"\(Slice\).*\(6, 4\) for a batch of 7 and \(10, 4\) for .* 11.*no-dynamic"):
        shapes(model)


@pytest.mark.parametrize(
    "cut",
    [
        "part = Mod(rows, four) cut = Slice(x, zero, part, one)",  # 3 of 7 and 3 of 11
        "part = Min(rows, four) cut = Slice(x, zero, part, one)",
        "part = Max(rows, four) cut = Slice(x, zero, part, one)",  # 7 of 7 and 11 of 11
        "cut = Slice(x, zero, four, zero)",
    ],
)
def test_refuses_what_two_batch_sizes_cannot_tell_from_a_constant_or_a_multiple(cut):
    model = parse(
        f"g (float[batch, 40] x) => (float[n, m] cut) {{ rows = Shape<start = 0, end = 1>(x) {cut} }}",
        zero=np.array([0]),
        one=np.array([1]),
        four=np.array([4]),
    )
    with pytest.raises(CompileError, match=r"\(Slice\): the shape depends on the batch size .* for a batch of 1;"):
        shapes(model)


def test_an_array_that_a_third_batch_size_refutes_is_no_constant():
    model = parse(
        "g (float[batch, 4] x) => (float[n, m] y) { rows = Shape<start = 0, end = 1>(x) "
        "part = Mod(rows, four) factor = Cast<to = 1>(part) y = Mul(x, factor) }",
        four=np.array([4]),
    )
    shapes(model)
    found = {value.name: value.meta for node in model.graph for value in node.outputs}
    assert "constant" not in found["part"] and "constant" not in found["factor"]


def test_refuses_a_free_height():
    with pytest.raises(CompileError, match="input 'x': dimension 2 is not fixed .*--input-shape"):
        shapes(parse("g (float[batch, 3, height, 4] x) => (float[a, b, c, d] y) { y = Relu(x) }"))
