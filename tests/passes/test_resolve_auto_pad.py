"""resolve_auto_pad: the pads that ONNX Runtime takes, for even and odd totals, and what is left alone."""

import numpy as np
import pytest

from dscompress.errors import CompileError
from dscompress.passes import run_pipeline
from tests.compile.graphs import compile_graph, parse, random, run_dsf, run_onnx


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("kernel, stride", [(2, 1), (3, 1), (3, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_equals_onnx_runtime(op, kernel, stride, size, mode):
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


TRANSPOSED = [
    "output_shape = [14, 15]",
    "output_shape = [15, 13]",
    "output_shape = [16, 16]",  # one more than the inputs reach, at the end
    "output_shape = [16, 13], output_padding = [1, 1]",
    'output_shape = [14, 13], auto_pad = "SAME_UPPER"',
    'output_shape = [14, 13], auto_pad = "VALID"',
    'auto_pad = "SAME_UPPER", output_padding = [1, 1]',
    'auto_pad = "SAME_LOWER", output_padding = [1, 0]',
    'auto_pad = "VALID", output_padding = [1, 1]',
    'auto_pad = "SAME_UPPER", dilations = [2, 2], output_padding = [1, 1]',
    'auto_pad = "SAME_UPPER", strides = [4, 5]',  # the kernel is smaller: not all of size * stride is reached
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
def test_a_conv_transpose_that_says_its_size(attributes, tmp_path):
    strides = "" if "strides" in attributes else "strides = [2, 2], "
    text = f"y = ConvTranspose<{strides}{attributes}>(x, w)"
    model = parse(f"g (float[n, 2, 7, 7] x) => (float[a, b, c, d] y) {{ {text} }}", w=random(2, 2, 3, 3))
    x = random(1, 2, 7, 7)
    expected = run_onnx(model, x)[0]
    data = compile_graph(model, tmp_path).data
    np.testing.assert_allclose(run_dsf(data, x)[0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(run_dsf(data, x, backend="cpu")[0], expected, rtol=1e-5, atol=1e-5)


def test_an_output_shape_far_beyond_the_inputs_is_refused(tmp_path):
    text = "y = ConvTranspose<strides = [2, 2], output_shape = [17, 17]>(x, w)"
    model = parse(f"g (float[n, 2, 7, 7] x) => (float[a, b, c, d] y) {{ {text} }}", w=random(2, 2, 3, 3))
    with pytest.raises(CompileError, match=r"ConvTranspose.*\[2, 2\] more rows or columns than its inputs reach.*pad"):
        compile_graph(model, tmp_path)


def test_explicit_pads_are_left():
    model = parse(
        "g (float[n, 2, 7, 7] x) => (float[a, b, c, d] y) { y = Conv<pads = [1, 0, 2, 1]>(x, w) }", w=random(2, 2, 3, 3)
    )
    run_pipeline(model)
    assert list(model.graph[0].attributes["pads"].as_ints()) == [1, 0, 2, 1]
