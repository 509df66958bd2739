""".onnx files: checked, upgraded, the batch freed where the graph allows it."""

import numpy as np
import onnx
import onnxruntime
import pytest

from dscompress import compile_model
from dscompress.capture import CaptureOptions, capture
from dscompress.capture.batch import taken_as_free
from dscompress.errors import CompileError
from dsruntime import load
from tests.capture.run import first_dims, run

CONV = """
<ir_version: 8, opset_import: ["" : {opset}]>
net (float[{batch},1,{size},{size}] x) => (float[{batch},2,{out},{out}] y)
<float[2,1,3,3] w = {{1,2,3,4,5,6,7,8,9,9,8,7,6,5,4,3,2,1}}>
{{ y = Conv(x, w) }}
"""
FLATTENED_TO_ONE = """
<ir_version: 8, opset_import: ["" : 18]>
net (float[1,4] x) => (float[1,4] y) <int64[2] shape = {1,4}>
{ y = Reshape(x, shape) }
"""


def written(folder, text: str, **values):
    proto = onnx.parser.parse_model(text.format(**values) if values else text)
    onnx.save(proto, folder / "any.name")
    return folder / "any.name"


def conv(folder, opset=18, batch="batch", size=6, out=4):
    return written(folder, CONV, opset=opset, batch=batch, size=size, out=out)


@pytest.mark.parametrize("opset", [9, 13, 18, 20, 22])
@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_answers_with_a_free_batch(tmp_path, opset, batch):
    captured = capture(conv(tmp_path, opset, batch))
    assert captured.kind == "ONNX" and first_dims(captured.model) == ["N"]
    notes = [f"converted from opset {opset} to 20"] if opset < 18 else []
    assert captured.notes == (notes if batch == "batch" else [*notes, taken_as_free("the graph has", batch)])
    x = np.random.default_rng(0).standard_normal((3, 1, 6, 6), np.float32)
    assert run(captured.model, x).shape == (3, 2, 4, 4)
    one_by_one = np.concatenate([run(captured.model, x[index : index + 1]) for index in range(3)])
    np.testing.assert_allclose(run(captured.model, x), one_by_one, atol=1e-5)


def test_a_fixed_batch(tmp_path):
    assert first_dims(capture(conv(tmp_path), CaptureOptions(dynamic_batch=False)).model) == ["1"]
    assert first_dims(capture(conv(tmp_path, batch=4), CaptureOptions(dynamic_batch=False)).model) == ["4"]


def test_a_batch_that_cannot_be_freed_is_kept_and_said(tmp_path):
    captured = capture(written(tmp_path, FLATTENED_TO_ONE))
    assert first_dims(captured.model) == ["1"]
    assert captured.notes == ["the graph fixes its batch at 1; to free it, export it with a dynamic batch"]


def test_free_sizes_need_a_shape(tmp_path):
    path = conv(tmp_path, size="size", out="out")
    with pytest.raises(CompileError, match=r"input 'x' has shape \?,1,\?,\?; add --input-shape"):
        capture(path)
    shape = capture(path, CaptureOptions(input_shape="1,1,5,5")).model.graph.inputs[0].shape
    assert [str(dim) for dim in shape] == ["N", "1", "5", "5"]
    with pytest.raises(CompileError, match=r"--input-shape 1,3,5,5 for input 'x'; expected \?,1,\?,\?"):
        capture(path, CaptureOptions(input_shape="1,3,5,5"))


@pytest.mark.parametrize("dtype", ["double", "float16"])
def test_other_floats_are_stored_as_float32_and_said(tmp_path, dtype):
    text = CONV.replace("float[2,1,3,3] w", f"{dtype}[2,1,3,3] w").replace("{{ y", "{{ c = Cast<to = 1>(w) y")
    path = written(tmp_path, text.replace("(x, w)", "(x, c)"), opset=18, batch="batch", size=6, out=4)
    found = {"double": "float64"}.get(dtype, dtype)
    report = compile_model(path)
    assert report.notes == [f"found {found} weights, stored as float32"]
    assert [row.dtype for row in report.rows if row.section == "weight"] == ["float32"]


def test_weights_listed_as_inputs_are_weights(tmp_path):
    proto = onnx.load(conv(tmp_path))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [2, 1, 3, 3]))
    onnx.save(proto, tmp_path / "old.onnx")
    assert [value.name for value in capture(tmp_path / "old.onnx").model.graph.inputs] == ["x"]


def test_damage(tmp_path):
    content = conv(tmp_path).read_bytes()
    for length in range(1, len(content)):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(CompileError):
            capture(tmp_path / "cut.onnx")


def test_the_checker_is_asked(tmp_path):
    proto = onnx.load(conv(tmp_path))
    proto.graph.node[0].input[0] = "nowhere"
    onnx.save(proto, tmp_path / "bad.onnx")
    with pytest.raises(CompileError, match="onnx.checker refuses it"):
        capture(tmp_path / "bad.onnx")


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("missing", ["shape", "type"])
@pytest.mark.parametrize("batch", ["N", "2"])
def test_outputs_without_a_shape_are_inferred(tmp_path, opset, missing, batch):
    proto = onnx.load(written(tmp_path, CONV, opset=opset, batch=batch, size=5, out=3))
    if missing == "shape":
        proto.graph.output[0].type.tensor_type.ClearField("shape")
    else:
        proto.graph.output[0].ClearField("type")
    onnx.save(proto, tmp_path / "less.onnx")
    with load(compile_model(tmp_path / "less.onnx").data) as session:
        assert session.outputs[0].shape == ("N", 2, 3, 3)


def test_an_input_without_a_shape_is_asked_for_it(tmp_path):
    proto = onnx.load(conv(tmp_path))
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(proto, tmp_path / "less.onnx")
    with pytest.raises(CompileError, match="input 'x' has no shape; add --input-shape"):
        compile_model(tmp_path / "less.onnx")
    with load(compile_model(tmp_path / "less.onnx", input_shape="1,1,5,5").data) as session:
        assert session.outputs[0].shape == ("N", 2, 3, 3)


@pytest.mark.parametrize("opset, shape", [(6, (2, 3)), (6, (2, 3, 4)), (6, (2, 3, 4, 3)), (7, (2, 4, 3))])
def test_old_slopes_belong_to_the_channels(tmp_path, opset, shape):
    """PRelu of opset 6: by channel, also where the last dimension is as large as the channels."""
    slope, dims = np.float32([0.5, 0.25, 2]), ",".join(map(str, shape))
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> net (float[{dims}] x) => (float[{dims}] y) '
    text += "{ y = PRelu(x, s) }"
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(slope, "s"))
    onnx.save(proto, tmp_path / "old.onnx")
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    spread = slope.reshape(-1, *[1] * (len(shape) - 2)) if opset == 6 else slope
    with load(compile_model(tmp_path / "old.onnx").data) as session:
        np.testing.assert_array_equal(session.run(x), np.where(x < 0, x * spread, x))


@pytest.mark.parametrize("opset, op", [(9, "Upsample"), (10, "Resize"), (10, "Resize of a third")])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_old_resizes_keep_their_coordinates(tmp_path, opset, op, mode):
    scales = (0.6, 0.3) if op.endswith("third") else (3, 1.7)
    proto = onnx.parser.parse_model(f"""
<ir_version: 8, opset_import: ["" : {opset}]>
net (float[N,2,5,7] x) => (float[N,2,h,w] y) {{ y = {op.split()[0]}<mode = "{mode}">(x, scales) }}""")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1, 1, *scales]), "scales"))
    onnx.save(proto, tmp_path / "old.onnx")
    x = np.random.default_rng(0).standard_normal((3, 2, 5, 7)).astype(np.float32)
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(run(capture(tmp_path / "old.onnx").model, x), expected, rtol=1e-5, atol=1e-6)


def test_an_old_resize_that_shrinks_and_grows_is_refused(tmp_path):
    path = written(
        tmp_path,
        """
<ir_version: 8, opset_import: ["" : 10]>
net (float[N,2,5,7] x) => (float[N,2,h,w] y) <float[4] scales = {1, 1, 0.5, 2}> { y = Resize(x, scales) }""",
    )
    with pytest.raises(CompileError, match=r"'y' \(Resize of opset 10\) has scales that grow one side"):
        capture(path)


def test_beside_a_free_batch_what_is_fixed_stays(tmp_path):
    path = written(
        tmp_path,
        """
<ir_version: 8, opset_import: ["" : 18]>
net (float[batch,4] x, float[1,4] offset) => (float[batch,4] y) { y = Add(x, offset) }""",
    )
    assert first_dims(capture(path).model) == ["N", "1"]
