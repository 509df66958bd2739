"""An .onnx whose tensors name other files is refused, and no other file is opened."""

import builtins
import os

import onnx
import pytest

from dscompress.capture import capture
from dscompress.errors import CompileError
from tests.capture.test_onnx import conv


def point_elsewhere(tensor: onnx.TensorProto, location: str) -> None:
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def initializer(proto, location):
    point_elsewhere(proto.graph.initializer[0], location)


def attribute(proto, location):
    tensor = onnx.helper.make_tensor("secret", onnx.TensorProto.FLOAT, [1], [0.0])
    point_elsewhere(tensor, location)
    proto.graph.node.append(onnx.helper.make_node("Constant", [], ["unused"], value=tensor))


def in_a_subgraph(proto, location):
    tensor = onnx.helper.make_tensor("secret", onnx.TensorProto.FLOAT, [1], [0.0])
    point_elsewhere(tensor, location)
    branch = onnx.helper.make_graph([], "branch", [], [], [tensor])
    proto.graph.node.append(onnx.helper.make_node("If", ["x"], ["unused"], then_branch=branch, else_branch=branch))


def in_a_function(proto, location):
    tensor = onnx.helper.make_tensor("secret", onnx.TensorProto.FLOAT, [1], [0.0])
    point_elsewhere(tensor, location)
    node = onnx.helper.make_node("Constant", [], ["y"], value=tensor)
    proto.functions.append(onnx.helper.make_function("own", "f", [], ["y"], [node], []))


def only_the_entry(proto, location):
    proto.graph.initializer[0].external_data.add(key="location", value=location)


PLACES = [initializer, attribute, in_a_subgraph, in_a_function, only_the_entry]


@pytest.mark.parametrize("location", ["weights.bin", "../secret", "/etc/passwd", "link", "", "sub/../../secret"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_refused_before_any_access(tmp_path, monkeypatch, place, location):
    (tmp_path / "weights.bin").write_bytes(bytes(72))
    (tmp_path / "link").symlink_to("/etc/passwd")
    proto = onnx.load(conv(tmp_path))
    place(proto, location)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())

    opened = []
    really_open, really_os_open = builtins.open, os.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *more, **by: opened.append(file) or really_open(file, *more, **by)
    )
    monkeypatch.setattr(os, "open", lambda file, *more, **by: opened.append(file) or really_os_open(file, *more, **by))
    with pytest.raises(CompileError, match="is kept in another file; expected one file; save it in one file"):
        capture(path)
    inside = {os.path.basename(str(file)) for file in opened}
    assert not inside & {"weights.bin", "passwd", "secret", "link"}
