"""Graphs in float16, bfloat16 and float64 are exported in float32: what is raised, what is said, what is refused."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dscompress import compile_model
from dscompress.capture import CaptureOptions, capture
from dscompress.errors import CompileError
from dscompress.verify import verify_model
from dsruntime import load
from tests.support.onnx_models import run_onnxruntime

HALF = np.float16


def saved(folder, text: str, opset: int = 20, **constants):
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}]> g {text}')
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    onnx.save(proto, folder / "g.onnx")
    return folder / "g.onnx"


def random(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def said(kind: str) -> str:
    return f"the graph computes in {kind}: it was exported in float32, and so are its inputs and outputs"


NET = """({kind}[N, 2, 5, 5] x) => ({kind}[N, 18] y) {{
    a = Conv(x, w, b)
    c = Mul(a, scale)
    d = Cast<to = {code}>(c)
    y = Flatten(d)
}}"""


@pytest.mark.parametrize("kind, code, name", [("float16", 10, "float16"), ("double", 11, "float64")])
def test_a_whole_graph(tmp_path, kind, code, name):
    dtype = np.dtype(name)
    weights = {"w": random(2, 2, 3, 3, dtype=HALF), "b": random(2, dtype=HALF), "scale": HALF(0.5)}
    path = saved(tmp_path, NET.format(kind=kind, code=code), **{k: a.astype(dtype) for k, a in weights.items()})
    report = compile_model(path, tmp_path / "g.dsf")
    assert said(name) in report.notes and not any("rounded" in note for note in report.notes)
    x = random(3, 2, 5, 5, seed=1)
    same = saved(tmp_path, NET.format(kind="float", code=1), **{k: a.astype(np.float32) for k, a in weights.items()})
    with load(tmp_path / "g.dsf") as session:
        assert [(i.name, i.dtype) for i in session.inputs] == [("x", "float32")]
        np.testing.assert_allclose(session.run(x), run_onnxruntime(onnx.load(same), {"x": x})[0], rtol=1e-5, atol=1e-5)


def test_verify_compares_with_the_raised_graph(tmp_path):
    weights = {"w": random(2, 2, 3, 3, dtype=HALF), "b": random(2, dtype=HALF), "scale": HALF(0.5)}
    path = saved(tmp_path, NET.format(kind="float16", code=10), **weights)
    compile_model(path, tmp_path / "g.dsf")
    found = verify_model(tmp_path / "g.dsf", path, CaptureOptions())
    assert found.same and found.weights == 3


def test_float64_weights_that_are_rounded_are_counted(tmp_path):
    path = saved(
        tmp_path,
        "(double[N, 3] x) => (double[N, 2] y) { y = MatMul(x, w) }",
        w=np.array([[1, 0.5], [0.1, 2], [np.nan, 1 / 3]]),
    )
    report = compile_model(path)
    assert "2 of 6 numbers in its constants are no float32 numbers and were rounded" in report.notes


@pytest.mark.parametrize("number", [1e39, np.finfo(np.float64).min])
def test_a_float64_number_beyond_float32_is_refused(tmp_path, number):
    path = saved(tmp_path, "(double[N, 3] x) => (double[N, 3] y) { y = Add(x, mask) }", mask=np.array([0, number, 0]))
    with pytest.raises(CompileError, match=r"'mask'.*beyond float32; expected numbers up to 3.4e\+38; make it smaller"):
        compile_model(path)


def test_infinities_stay(tmp_path):
    path = saved(tmp_path, "(double[N, 2] x) => (double[N, 2] y) { y = Add(x, mask) }", mask=np.array([0, -np.inf]))
    with load(compile_model(path).data) as session:
        assert session.run(np.float32([[1, 2]])).tolist() == [[1, -np.inf]]


def test_a_size_in_float64_is_computed_in_float64(tmp_path):
    """90 * 0.7 is 63 in float32, and less in float64: the slice must be of 62."""
    text = """(float16[2, 90] x) => (float16[2, n] y) {
        size = Shape<start = 1>(x)
        exact = Cast<to = 11>(size)
        part = Mul(exact, factor)
        end = Cast<to = 7>(part)
        y = Slice(x, zero, end, one)
    }"""
    assert int(90 * 0.7) == 62 and int(np.float32(90) * np.float32(0.7)) == 63
    path = saved(tmp_path, text, factor=np.array([0.7]), zero=np.array([0]), one=np.array([1]))
    with load(compile_model(path, dynamic_batch=False).data) as session:
        assert session.run(random(2, 90)).shape == (2, 62)


def test_a_detour_through_float16_is_none(tmp_path):
    path = saved(tmp_path, "(float[N] x) => (float[N] y) { h = Cast<to = 10>(x) a = Abs(h) y = Cast<to = 1>(a) }")
    report = compile_model(path)
    assert said("float16") in report.notes
    with load(report.data) as session:
        assert session.run(np.float32([1e6, -1 / 3])).tolist() == np.float32([1e6, 1 / 3]).tolist()


def test_one_constant_beside_data_and_in_a_size(tmp_path):
    text = """(float16[N, 4] x) => (float16[N, 4] y, float16[1] factor) {
        count = Cast<to = 7>(factor)
        shape = Concat<axis = 0>(minus, count)
        z = Reshape(x, shape)
        y = Mul(z, factor)
    }"""
    path = saved(tmp_path, text, factor=HALF([4]), minus=np.array([-1]))
    with load(compile_model(path).data) as session:
        found = session.run(np.float32([[1, 2, 3, 4]]))
    assert found["y"].tolist() == [[4, 8, 12, 16]] and found["factor"].tolist() == [4]


def test_a_known_output_keeps_its_name(tmp_path):
    text = "(float16[2, 4] x) => (float16[2, 4] y, float16[2] size) "
    text += "{ y = Relu(x) s = Shape(x) size = Cast<to = 10>(s) }"
    with load(compile_model(saved(tmp_path, text), dynamic_batch=False).data) as session:
        found = session.run(random(2, 4))
    assert found["size"].dtype == np.float32 and found["size"].tolist() == [2, 4]


def test_bfloat16(tmp_path):
    two = np.array([2], ml_dtypes.bfloat16)
    path = saved(tmp_path, "(bfloat16[N, 2] x) => (bfloat16[N, 2] y) { y = Mul(x, two) }", two=two)
    report = compile_model(path)
    assert said("bfloat16") in report.notes
    with load(report.data) as session:
        assert session.run(np.float32([[1, 3]])).tolist() == [[2, 6]]


def test_a_graph_in_float32_is_left(tmp_path):
    text = "(float[N, 2] x) => (float[N, 2] y) { y = Mul(x, two) }"
    captured = capture(saved(tmp_path, text, two=np.float32([2])))
    assert captured.notes == [] and [node.op_type for node in captured.model.graph] == ["Mul"]
