"""compile_model: shift weights found and proved, reports, refusals, same input same bytes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dscompress import CompileError, compile_model
from dscompress.verify import verify_model
from dsruntime import Model
from tests.compile.graphs import compile_graph, parse, random, run_dsf, run_onnx, save
from tests.compile.test_encode import powers

ROOT = Path(__file__).parents[2]

NET = """
net (float[batch, 3, 8, 8] x) => (float[n, 4] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, conv_weight, conv_bias)
    b = Relu(a)
    c = GlobalAveragePool(b)
    d = Flatten(c)
    y = Gemm<transB = 1>(d, head_weight)
}"""


def net(head=None):
    return parse(
        NET,
        conv_weight=powers((6, 3, 3, 3), -14, 0, zeros=0.2),
        conv_bias=random(6),
        head_weight=powers((4, 6), -7, 0) if head is None else head,
    )


def test_answers_like_onnx_runtime(tmp_path):
    x = random(5, 3, 8, 8)
    report = compile_graph(net(), tmp_path)
    expected = run_onnx(net(), x)[0]
    for backend in ("reference", "cpu"):
        np.testing.assert_allclose(run_dsf(report.data, x, backend=backend)[0], expected, rtol=1e-5, atol=1e-6)


def test_report(tmp_path):
    source = save(net(random(4, 6)), tmp_path)
    report = compile_model(source, tmp_path / "out.dsf", name="small", metadata={"who": "me"})
    assert (tmp_path / "out.dsf").read_bytes() == report.data and report.bytes == len(report.data)
    assert sum(row.bytes for row in report.rows) == report.bytes
    assert report.shift_weights == 1
    (weight,) = report.float_weights
    assert (weight.name, weight.op, weight.shape) == ("head_weight", "gemm", (4, 6))
    assert weight.reason == "channel 0 holds 6 magnitudes that are not one number times powers of two"
    model = Model.open(report.data)
    assert model.name == "small" and model.metadata["who"] == "me" and len(model.metadata["source.sha256"]) == 64
    assert [w.note for w in model.graph.weights] == ["", "", weight.reason]
    json.dumps(report.as_dict())


def test_a_report_prints_as_lines(tmp_path):
    text = str(compile_model(save(net(), tmp_path), name="small"))
    assert text.startswith("small: ") and " bytes, 5 nodes, 2 weights as shift, 0 of conv" in text


def test_where_every_weight_stayed_float_one_line_says_so(tmp_path):
    floats = parse(NET, conv_weight=random(6, 3, 3, 3), conv_bias=random(6), head_weight=random(4, 6))
    report = compile_model(save(floats, tmp_path))
    _, *lines = str(report).splitlines()
    assert len(lines) == 1 and "make them powers of two first, with `dscompress convert` or by" in lines[0]
    assert "magnitudes" not in lines[0] and len(report.as_dict()["float_weights"]) == 2


def test_one_is_not_plural(tmp_path):
    one = parse("g (float[n, 4] x) => (float[n, 2] y) { y = MatMul(x, w) }", w=powers((4, 2), -7, 0))
    assert " bytes, 1 node, 1 weight as shift, " in str(compile_model(save(one, tmp_path)))


def test_require_shift_names_the_weight_and_writes_nothing(tmp_path):
    says = r"small: 1 weight is no shift weight; train .*\n  'head_weight' \(4, 6\), gemm .*6 magnitudes that are not"
    with pytest.raises(CompileError, match=says):
        compile_model(save(net(random(4, 6)), tmp_path), tmp_path / "out.dsf", name="small", require_shift=True)
    assert not (tmp_path / "out.dsf").exists()
    compile_model(save(net(), tmp_path), tmp_path / "out.dsf", require_shift=True)


@pytest.mark.parametrize("notes", [[], ["the program fixes its batch at 2; to free it, export it with dynamic_shapes"]])
def test_a_fixed_batch_is_said_once_whatever_the_source(tmp_path, monkeypatch, notes):
    from dscompress.compile import road as compiling

    fixed = parse("g (float[2, 4] x) => (float[2, 4] y) { y = Relu(x) }")
    monkeypatch.setattr(compiling, "capture", lambda source, options: compiling.Captured(fixed, "any", notes=[*notes]))
    said = ["the graph fixes its batch at 2; to free it, export it with a dynamic batch"]
    assert compile_model("any").notes == (notes or said)
    assert compile_model("any", dynamic_batch=False).notes == notes


def test_biases_and_norms_are_never_shift(tmp_path):
    model = parse(
        "g (float[n, 4] x) => (float[n, 4] y) { y = LayerNormalization(x, s, b) }",
        s=np.ones(4, np.float32),
        b=np.ones(4, np.float32),
    )
    report = compile_graph(model, tmp_path)
    assert report.shift_weights == 0 and report.float_weights == [] and report.bits_per_weight is None


def test_a_shared_weight_is_stored_once(tmp_path):
    model = parse(
        "g (float[n, 4] x) => (float[n, 4] y) { a = Gemm<transB = 1>(x, w) y = MatMul(a, w) }",
        w=powers((4, 4), -3, 0) * np.float32([[1], [3], [5], [7]]),
    )
    graph = Model.open(compile_graph(model, tmp_path).data).graph
    assert [(weight.codec, weight.order) for weight in graph.weights] == [("shift", (0, 1))]


def test_a_weight_is_stored_in_the_order_that_makes_it_shift(tmp_path):
    model = parse(
        "g (float[n, 4] x) => (float[n, 4] y) { a = Gemm<transB = 1>(x, w) y = MatMul(a, w) }",
        w=powers((4, 4), -3, 0) * np.float32([1, 3, 5, 7]),
    )
    graph = Model.open(compile_graph(model, tmp_path).data).graph
    assert [(weight.codec, weight.order) for weight in graph.weights] == [("shift", (1, 0))]


def test_outputs_may_be_weights_and_inputs(tmp_path):
    model = parse("g (float[n, 2] x) => (float[n, 2] y, float[2] w, float[n, 2] x) { y = Add(x, w) }", w=random(2))
    x = random(3, 2)
    y, w, same = run_dsf(compile_graph(model, tmp_path).data, x)
    np.testing.assert_array_equal(y, x + w)
    np.testing.assert_array_equal(same, x)


def test_labels_come_from_a_file(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\nfish\nbird\n\n", "utf-8")
    output = Model.open(compile_graph(net(), tmp_path, labels=labels).data).outputs[0]
    assert output.labels == ("cat", "dog", "fish", "bird")


def test_metadata_may_have_tabs_and_several_lines(tmp_path):
    report = compile_graph(net(), tmp_path, metadata={"licence": "a\tb\nc"})
    assert Model.open(report.data).metadata["licence"] == "a\tb\nc"


def test_names_of_a_source_get_escapes_for_their_control_characters(tmp_path):
    """Each stays another's name, and the answers stay; the notes say so."""
    source = net()
    values = {value.name: value for node in source.graph for value in node.outputs}
    source.graph.inputs[0].name, values["a"].name, values["b"].name = "x\x1b[2J", "a\n", "a\\n"
    source.graph.initializers["conv_weight"].name = "weight\x07"
    source.graph[0].name = "conv\x9b"
    (tmp_path / "model\x1b.onnx").write_bytes(Path(save(source, tmp_path)).read_bytes())
    report = compile_model(tmp_path / "model\x1b.onnx", tmp_path / "model.dsf")
    model = Model.open(report.data)
    assert (model.name, model.inputs[0].name) == (r"model\x1b", r"x\x1b[2J")
    assert [value.name for value in model.graph.values][4:6] == [r"a\n_2", r"a\n"]
    assert model.graph.nodes[0].name == r"conv\x9b"
    assert model.graph.weights[0].source == r"weight\x07"
    assert r"3 names hold control characters, which are written as escapes in the file: x\x1b[2J, " in str(report)
    assert verify_model(tmp_path / "model.dsf", tmp_path / "model\x1b.onnx").same
    x = random(2, 3, 8, 8)
    np.testing.assert_array_equal(run_dsf(report.data, x)[0], run_dsf(compile_graph(net(), tmp_path).data, x)[0])


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"labels": ["a", "b"]}, "labels: 2 labels for output 'y'; expected 4"),
        ({"labels": ["a"]}, "labels: 1 label for output 'y'; expected 4"),
        ({"labels": "missing.txt"}, "labels missing.txt: no such file"),
        ({"preprocess": "imagenet"}, "it makes 224 x 224 pixels, the input takes 8 x 8"),
        ({"preprocess": "digits"}, "gray has 1 channel, the input 3"),
        ({"preprocess": "unknown"}, "no file has this name; expected cifar, digits, imagenet, mnist, or a JSON file"),
        ({"metadata": {"source.kind": "x"}}, "the key 'source.kind'"),
        ({"name": "a\x1b[2J"}, r"name: the control character '\\x1b' in it, 'a\\x1b\[2J'; expected text without"),
        ({"labels": ["a", "b\tc", "d", "e"]}, r"labels: the control character '\\t' in it, 'b\\tc'"),
        ({"labels": ["a", "b\x9b2J", "d", "e"]}, r"labels: the control character '\\x9b'"),
        ({"metadata": {"a\nb": "c"}}, r"metadata: the control character '\\n'"),
        ({"metadata": {"a": "b\r\nc"}}, r"metadata 'a': the control character '\\r' .* but tabs and line feeds"),
    ],
)
def test_refuses_what_does_not_fit(options, reason, tmp_path):
    with pytest.raises(CompileError, match=reason):
        compile_graph(net(), tmp_path, **options)


def test_a_bad_target_is_refused_before_the_work(tmp_path):
    with pytest.raises(CompileError, match="does not exist; create it"):
        compile_model("not even a source", tmp_path / "missing" / "out.dsf")


def test_same_input_same_bytes_in_any_process(tmp_path):
    path = save(net(), tmp_path)
    code = "import sys, dscompress; dscompress.compile_model(sys.argv[1], sys.argv[2])"
    other = tmp_path / "other.dsf"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # this process has another
    subprocess.run([sys.executable, "-c", code, path, other], check=True, env=environment, cwd=ROOT)
    assert other.read_bytes() == compile_model(path).data


def test_a_weight_that_would_not_come_back_stops_the_export(tmp_path, monkeypatch):
    from dscompress.compile import assemble
    from dscompress.compile.codecs import raw

    monkeypatch.setattr(assemble, "encode", lambda tensor, order=None: raw.encode(tensor + np.float32(1)))
    with pytest.raises(CompileError, match="'conv_weight' does not decode to the tensor it was made from; nothing was"):
        compile_model(save(net(), tmp_path), tmp_path / "out.dsf")
    assert not (tmp_path / "out.dsf").exists()


def test_importing_the_package_imports_no_torch():
    code = "import sys, dscompress; assert not {'torch', 'onnx', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_report_of_a_hostile_name_is_safe_to_print(tmp_path):
    report = compile_model(save(net(random(4, 6)), tmp_path))
    text = str(replace(report, name="m\x1b[2J\u202e\n"))
    assert r"m\x1b[2J\u202e\n: " in text and all(line.isprintable() for line in text.split("\n"))
