"""Outputs that are weights, one another, or the input: each stays, under its own name."""

import numpy as np
import onnx_ir as ir
import pytest
from torch import nn

from dscompress import compile_model
from dscompress.errors import CompileError
from dsruntime import Model
from tests.compile.graphs import compile_graph, parse, random, run_dsf, run_onnx

BATCH_NORM = {"scale": random(4, seed=1), "bias": random(4, seed=2), "mean": random(4, seed=3),
              "var": np.abs(random(4, seed=4)) + 0.5}  # fmt: skip


def agree(model: ir.Model, folder, *inputs: np.ndarray) -> Model:
    expected, data = run_onnx(model, *inputs), compile_graph(model, folder).data
    for backend in ("reference", "cpu"):
        for found, wanted in zip(run_dsf(data, *inputs, backend=backend), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    return Model.open(data)


@pytest.mark.parametrize("output, shape", [("w", "4,4,3,3"), ("b", "4"), ("mean", "4")])
def test_a_weight_before_a_batch_norm_may_be_an_output(tmp_path, output, shape):
    graph = parse(
        f"""
net (float[N,4,7,7] x) => (float[N,4,5,5] y, float[{shape}] {output}) {{
    a = Conv(x, w, b)
    y = BatchNormalization(a, scale, bias, mean, var)
}}""",
        w=random(4, 4, 3, 3),
        b=random(4, seed=5),
        **BATCH_NORM,
    )
    agree(graph, tmp_path, random(3, 4, 7, 7))


@pytest.mark.parametrize(
    "text",
    [
        "(float[N,4] y, float[N,4] z) { a = Relu(x) y = Identity(a) z = Identity(a) }",
        "(float[N,4] z, float[N,4] y) { a = Relu(x) y = Identity(a) z = Identity(y) }",
        "(float[N,4] y, float[N,4] z) { y = Identity(x) z = Identity(x) }",
        "(float[2] y, float[2] z, float[N,4] v) { y = Identity(w) z = Identity(w) v = Relu(x) }",
    ],
)
def test_outputs_of_one_value_stay_apart(tmp_path, text):
    graph = parse(f"net (float[N,4] x) => {text}", w=random(2))
    names = [value.name for value in graph.graph.outputs]
    model = agree(graph, tmp_path, random(3, 4))
    assert [info.name for info in model.outputs] == names


@pytest.mark.parametrize(
    "text",
    [
        "(float[2] y, float[N,4] v) { y = Constant<value = float[2] {1, 2}>() v = Relu(x) }",
        "(int64[2] y, float[N,4] v) { y = Shape(w) v = Relu(x) }",
        "(float[2,3] y, float[2,3] z, float[N,4] v) { y = Neg(w) z = Neg(w) v = Relu(x) }",
        "(int64[1] y, float[N,4] v) { y = Shape<start = 1>(x) v = Relu(x) }",
    ],
)
def test_an_output_that_is_constant_becomes_a_weight(tmp_path, text):
    graph = parse(f"net (float[N,4] x) => {text}", **({"w": random(2, 3)} if "w)" in text else {}))
    model = agree(graph, tmp_path, random(3, 4))
    assert len(model.graph.nodes) == 1 and "y" in [info.name for info in model.outputs]


@pytest.mark.parametrize(
    "text, what",
    [
        ("() => (float[2] y) { y = Constant<value = float[2] {1, 2}>() }", "input"),
        ("(float[2] x) => () { y = Relu(x) }", "output"),
    ],
)
def test_a_graph_without_inputs_or_outputs_is_refused(tmp_path, text, what):
    with pytest.raises(CompileError, match=f"has no {what}; expected a model that computes outputs from inputs"):
        compile_graph(parse(f"net {text}"), tmp_path)


def test_a_module_may_return_a_value_twice_and_its_weight():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.norm(self.conv(x))
            return y, y, self.conv.weight, y

    module, x = Twice().eval(), random(3, 1, 5, 5)
    data = compile_model(module, input_shape=(1, 1, 5, 5)).data
    one, two, weight, three = run_dsf(data, x, backend="cpu")
    assert np.array_equal(one, two) and np.array_equal(one, three)
    assert np.array_equal(weight, module.conv.weight.detach().numpy())
