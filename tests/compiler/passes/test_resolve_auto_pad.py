"""resolve_auto_pad: the pads that ONNX Runtime takes, for even and odd totals, and what is left alone."""

import numpy as np
import pytest

from dscompress.passes import run_pipeline
from tests.compiler.graphs import parse, random, run_onnx


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("kernel, stride", [(2, 1), (3, 1), (3, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_equals_onnx_runtime(op, kernel, stride, size, mode):
    if op == "ConvTranspose" and kernel < stride:
        pytest.skip("a transposed convolution with SAME pads needs a kernel as large as its stride")
    if op == "MaxPool" and kernel < stride:
        pytest.skip("ONNX Runtime refuses it")
    pool = op.endswith("Pool")
    shape = f", kernel_shape = [{kernel}, {kernel}]" if pool else ""
    inputs = "x" if pool else "x, w"
    text = f'{op}<auto_pad = "{mode}", strides = [{stride}, {stride}]{shape}>({inputs})'
    weights = {} if pool else {"w": random(2, 2, kernel, kernel)}
    model = parse(f"g (float[n, 2, {size}, {size}] x) => (float[a, b, c, d] y) {{ y = {text} }}", **weights)
    x = random(2, 2, size, size, seed=1)
    before = run_onnx(model, x)[0]
    run_pipeline(model)
    node = model.graph[0]
    assert "auto_pad" not in node.attributes and "pads" in node.attributes
    np.testing.assert_array_equal(run_onnx(model, x)[0], before)


@pytest.mark.parametrize("sizes", [[14, 15], [15, 13]])
def test_an_output_shape_of_conv_transpose(sizes):
    node = f"ConvTranspose<strides = [2, 2], output_shape = {sizes}>(x, w)"
    text = f"g (float[n, 2, 7, 7] x) => (float[a, b, c, d] y) {{ y = {node} }}"
    model = parse(text, w=random(2, 2, 3, 3))
    x = random(1, 2, 7, 7)
    before = run_onnx(model, x)[0]
    run_pipeline(model)
    np.testing.assert_array_equal(run_onnx(model, x)[0], before)


def test_explicit_pads_are_left():
    model = parse("g (float[n, 2, 7, 7] x) => (float[a, b, c, d] y) { y = Conv<pads = [1, 0, 2, 1]>(x, w) }",
                  w=random(2, 2, 3, 3))
    run_pipeline(model)
    assert list(model.graph[0].attributes["pads"].as_ints()) == [1, 0, 2, 1]
