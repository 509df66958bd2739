"""What is evaluated while a graph is exported is bounded: by operator, by node and for the whole graph."""

import numpy as np
import pytest

from dscompress.compile.lower import lower
from dscompress.errors import CompileError
from dscompress.passes import evaluate, run_pipeline
from tests.compile.graphs import op_types, parse, random
from tests.passes.test_folding import same_after


def chain(length: int) -> str:
    """c0 = Expand(one, 1000 x 1000), c1 = Neg(c0), ... of which one number is used."""
    nodes = "c0 = Expand(one, shape) " + " ".join(f"c{i + 1} = Neg(c{i})" for i in range(length))
    nodes += f" e = Gather(c{length}, zero) f = Gather(e, zero) y = Add(x, f)"
    return f"g (float[n, 4] x) => (float[n, 4] y) {{ {nodes} }}"


CHAIN = dict(one=np.float32(1), shape=np.array([1000, 1000]), zero=np.array(0))


def test_a_graph_evaluates_no_more_than_its_budget(monkeypatch):
    """Every node is below the limit for one; 100 of them would hold 400 MB."""
    monkeypatch.setattr(evaluate, "MOST_MADE", 5_000_000)
    monkeypatch.setattr(evaluate.Budget.__init__, "__defaults__", (5_000_000, 1 << 30))
    model = parse(chain(100), **CHAIN)
    run_pipeline(model)
    assert len(model.graph) > 70 and len(model.graph.initializers) < 10


def test_within_the_budget_it_is_a_constant():
    assert same_after(parse(chain(4), **CHAIN), random(2, 4)) == ["Add"]


@pytest.mark.parametrize("nodes", [
    "c = Range(zero, many, one) s = ReduceSum(c) f = Cast<to = 1>(s) y = Add(x, f)",
    "c = ConstantOfShape(huge) s = ReduceSum(c) y = Add(x, s)",
    "t = Tile(two, huge) s = ReduceSum(t) y = Add(x, s)",
    "c = OneHot(zero, many, two) s = ReduceSum(c) y = Add(x, s)",
    "c = HannWindow(many) s = ReduceSum(c) y = Add(x, s)",
    "c = MelWeightMatrix(many, many, one, zero, one) s = ReduceSum(c) y = Add(x, s)",
])  # fmt: skip
def test_a_bomb_is_left_alone(nodes):
    constants = dict(
        zero=np.array(0), one=np.array(1), many=np.array(10**12), huge=np.array([10**12]), two=np.float32([0, 1])
    )
    model = parse(f"g (float[n, 4] x) => (float[n, 4] y) {{ {nodes} }}", **constants)
    run_pipeline(model)
    assert len(op_types(model)) > 1


def test_a_bomb_of_broadcasting_is_left_alone():
    """Parameters of a BatchNormalization that are no vectors would make 2^32 weights."""
    two, row, column = np.ones(2, np.float32), np.ones((1, 1 << 16), np.float32), np.ones((1 << 16, 1), np.float32)
    model = parse(
        """g (float[n, 1, 4, 4] x) => (float[n, c, 4, 4] y) {
        z = Conv(x, w) y = BatchNormalization(z, s, b, m, v) }""",
        w=random(2, 1, 1, 1),
        s=row,
        b=two,
        m=two,
        v=column,
    )
    run_pipeline(model)
    with pytest.raises(CompileError, match="ONNX's shape inference refuses it"):
        lower(model)


def test_a_batch_norm_in_training_mode_stays():
    model = parse(
        """g (float[n, 1, 4, 4] x) => (float[n, 2, 4, 4] y) {
        z = Conv(x, w) y, a, c = BatchNormalization<training_mode = 1>(z, s, s, s, s) }""",
        w=random(2, 1, 1, 1),
        s=np.ones(2, np.float32),
    )
    run_pipeline(model)
    assert op_types(model) == ["Conv", "BatchNormalization"]


def test_a_constant_of_shape_with_a_value_is_evaluated():
    model = parse(
        """g (float[n, 2, 3] x) => (float[n, 6] y) {
        s = ConstantOfShape<value = int64[1] {6}>(ones) t = Concat<axis = 0>(minus, s) y = Reshape(x, t) }""",
        ones=np.array([1]),
        minus=np.array([-1]),
    )
    assert same_after(model, random(2, 2, 3)) == ["Reshape"]
