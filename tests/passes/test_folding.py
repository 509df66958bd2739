"""fold_constants, fold_batch_norm, gather_in_order, eliminate_dropout, split_swish, widen_indices, float_exponents:
the count or the operators that are left, and equal outputs; then a case that is left alone."""

import numpy as np
import pytest

from dscompress.compile.encode import encode
from dscompress.passes import run_pipeline
from tests.compile.graphs import op_types, parse, random, run_onnx
from tests.compile.test_encode import powers


def same_after(model, *inputs, exact=True) -> list[str]:
    before = run_onnx(model, *inputs)
    run_pipeline(model)
    for found, expected in zip(run_onnx(model, *inputs), before, strict=True):
        if exact:
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    return op_types(model)


def test_a_transposed_weight_becomes_a_weight():
    model = parse(
        "g (float[n, 4] x) => (float[n, 5] y) { t = Transpose<perm = [1, 0]>(w) y = MatMul(x, t) }", w=random(5, 4)
    )
    assert same_after(model, random(2, 4)) == ["MatMul"]
    assert "t" in model.graph.initializers


def test_a_dequantised_weight_becomes_a_weight():
    model = parse(
        "g (float[n, 4] x) => (float[n, 4] y) { d = DequantizeLinear(w, s) y = MatMul(x, d) }",
        w=np.arange(-8, 8, dtype=np.int8).reshape(4, 4),
        s=np.float32(0.5),
    )
    assert same_after(model, random(2, 4)) == ["MatMul"]


def test_an_expand_of_a_small_constant_is_not_stored():
    model = parse(
        "g (float[n, 2000, 1000] x) => (float[n, 2000, 1000] y) { e = Expand(c, s) y = Add(x, e) }",
        c=np.ones(1, np.float32),
        s=np.array([2000, 1000]),
    )
    run_pipeline(model)
    assert op_types(model) == ["Expand", "Add"]


def test_random_numbers_are_not_folded():
    model = parse(
        "g (float[n, 2] x) => (float[n, 2] y) { r = RandomNormalLike(c) y = Add(x, r) }", c=np.ones(2, np.float32)
    )
    run_pipeline(model)
    assert op_types(model) == ["RandomNormalLike", "Add"]


NORM = "{0} y = BatchNormalization(z, scale, bias, mean, var)"


def norm(channels: int) -> dict:
    return {
        "scale": random(channels, seed=1),
        "bias": random(channels, seed=2),
        "mean": random(channels, seed=3),
        "var": np.abs(random(channels, seed=4)) + np.float32(0.1),
    }


@pytest.mark.parametrize(
    "node, weight, order, x",
    [
        ("z = Conv(x, w)", (6, 3, 3, 3), (0, 2, 3, 1), (2, 3, 8, 8)),
        ("z = Conv<group = 3>(x, w)", (6, 1, 3, 3), (0, 2, 3, 1), (2, 3, 8, 8)),
        ("z = ConvTranspose<strides = [2, 2]>(x, w)", (3, 6, 3, 3), (1, 2, 3, 0), (2, 3, 8, 8)),
        ("z = Gemm<transB = 1>(x, w)", (6, 3), (0, 1), (2, 3)),
        ("z = Gemm(x, w)", (3, 6), (1, 0), (2, 3)),
    ],
)
def test_a_batch_norm_is_folded_and_the_weight_stays_a_shift_weight(node, weight, order, x):
    free = ", ".join(["n", *map(str, x[1:])])
    rank = len(x)
    model = parse(
        f"g (float[{free}] x) => (float[{', '.join('abcd'[:rank])}] y) {{ {NORM.format(node)} }}",
        w=powers(weight, -14, 0, zeros=0.2),
        **norm(6),
    )
    assert same_after(model, random(*x), exact=False) == [node.split()[2].split("(")[0].split("<")[0]]
    folded = model.graph.initializers["w"].const_value.numpy()
    stored = encode(folded, order)
    assert stored.codec == "shift" and stored.shift.scale.shape == (6,)


def test_a_batch_norm_behind_a_shared_convolution_is_left():
    nodes = NORM.format("z = Conv(x, w)")
    model = parse(
        f"g (float[n, 3, 8, 8] x) => (float[a, b, c, d] y, float[a, b, c, d] z) {{ {nodes} }}",
        w=random(6, 3, 3, 3),
        **norm(6),
    )
    assert same_after(model, random(2, 3, 8, 8)) == ["Conv", "BatchNormalization"]


AS_STRIDED = """
g (float[n, 6] x) => (float[n, 6, 1] y) {
    flat = Reshape(x, minus)
    shape = Shape<start = 0, end = 1>(x)
    rows = Squeeze(shape)
    range = Range(zero, rows, one)
    first = Mul(range, width)
    column = Unsqueeze(first, axes)
    indices = Add(column, offsets)
    y = Gather(flat, indices)
}"""


def strided(width: int, step: int = 1):
    return parse(
        AS_STRIDED,
        minus=np.array([-1]),
        zero=np.array(0),
        one=np.array(1),
        width=np.array(width),
        axes=np.array([1, 2]),
        offsets=np.arange(0, 6 * step, step).reshape(1, 6, 1),
    )


def test_a_gather_of_everything_in_order_is_a_reshape():
    model = strided(6)
    assert same_after(model, random(3, 6)) == ["Reshape", "Reshape"]
    assert [str(d) for d in model.graph.outputs[0].shape] == ["N", "6", "1"]


def test_a_gather_in_another_order_is_left():
    model = strided(0)
    run_pipeline(model)
    assert "Gather" in op_types(model)


def test_an_idle_dropout_disappears():
    model = parse(
        "g (float[n, 2] x) => (float[n, 2] y) { a = Relu(x) d, mask = Dropout(a, ratio) y = Neg(d) }",
        ratio=np.float32(0.5),
    )
    assert same_after(model, random(3, 2)) == ["Relu", "Neg"]


def test_a_dropout_whose_mask_is_used_is_left():
    model = parse("g (float[n, 2] x) => (float[n, 2] y, bool[n, 2] mask) { a = Relu(x) y, mask = Dropout(a) }")
    assert same_after(model, random(3, 2)) == ["Relu", "Dropout"]


def test_swish_becomes_sigmoid_and_mul():
    model = parse("g (float[n, 2] x) => (float[n, 2] y) { y = Swish(x) }", opset=24)
    run_pipeline(model)
    assert op_types(model) == ["Sigmoid", "Mul"]
    assert model.graph.outputs[0].name == "y"


def test_int32_indices_become_int64():
    model = parse("g (float[n, 3] x) => (float[n, 2] y) { y = Gather<axis = 1>(x, i) }", i=np.array([2, 0], np.int32))
    assert same_after(model, random(2, 3)) == ["Gather"]
    assert model.graph[0].inputs[1].const_value.numpy().dtype == np.int64


def test_integer_exponents_become_floats():
    model = parse("g (float[n, 3] x) => (float[n, 3] y) { y = Pow(x, e) }", e=np.array(2))
    assert same_after(model, random(2, 3)) == ["Pow"]
    assert model.graph[0].inputs[1].const_value.numpy().dtype == np.float32


def test_names_survive():
    nodes = "t = Transpose<perm = [1, 0]>(w) a = MatMul(x, t) y = Relu(a)"
    model = parse(f"g (float[n, 4] x) => (float[n, 5] y) {{ {nodes} }}", w=random(5, 4))
    run_pipeline(model)
    assert [value.name for node in model.graph for value in node.outputs] == ["a", "y"]
