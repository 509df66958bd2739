"""Of the files that an .onnx names, one beside it with the weights is taken. Any other is refused and never opened."""

import builtins
import os

import numpy as np
import onnx
import pytest
import torch

import dsruntime
from dscompress import compile_model
from dscompress.capture import capture, external_data
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


LOCATIONS = ["weights.bin", "../secret", "/etc/passwd", "link", "", "..", "sub/../../secret", "./weights.bin", "a\\b"]
TAKEN = (initializer, "weights.bin")


@pytest.mark.parametrize("location", LOCATIONS)
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
    if (place, location) == TAKEN:
        capture(path)
        return
    links = place is initializer and location == "link"
    with pytest.raises(CompileError, match="'link' is a link" if links else "is kept in another file; expected one"):
        capture(path)
    inside = {os.path.basename(str(file)) for file in opened}
    assert not inside & {"weights.bin", "passwd", "secret", "link"}


WEIGHT = np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3)


def in_two_files(folder, *, data=None, entries=(("offset", "8"), ("length", "72"))):
    """The conv with its weight at bytes 8 to 80 of model.onnx.data."""
    proto = onnx.load(conv(folder))
    point_elsewhere(proto.graph.initializer[0], "model.onnx.data")
    for key, value in entries:
        proto.graph.initializer[0].external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    (folder / "model.onnx.data").write_bytes(bytes(8) + WEIGHT.tobytes() if data is None else data)
    return folder / "model.onnx"


def test_the_two_files_that_pytorch_writes(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(288, 5)).eval()
    x = torch.randn(1, 3, 8, 8)
    torch.onnx.export(net, (x,), tmp_path / "net.onnx", dynamo=True, verbose=False, external_data=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    report = compile_model(tmp_path / "net.onnx")
    with dsruntime.load(report.data) as session, torch.no_grad():
        np.testing.assert_allclose(session.run(x.numpy()), net(x).numpy(), atol=1e-5)


def test_a_weight_is_read_from_its_place(tmp_path):
    captured = capture(in_two_files(tmp_path))
    np.testing.assert_array_equal(captured.model.graph.initializers["w"].const_value.numpy(), WEIGHT)


PLACES_IN_THE_FILE = {
    "beyond the end": dict(entries=[("offset", "9"), ("length", "72")]),
    "beyond 64 bits": dict(entries=[("offset", "9" * 30)]),
    "below 0": dict(entries=[("offset", "-8"), ("length", "72")]),
    "no number": dict(entries=[("offset", "0x8"), ("length", "72")]),
    "shorter than its shape": dict(entries=[("offset", "8"), ("length", "68")]),
    "a cut file": dict(data=bytes(79)),
    "an empty file": dict(data=b""),
}


@pytest.mark.parametrize("kind", PLACES_IN_THE_FILE)
def test_a_place_that_is_not_in_the_file(tmp_path, monkeypatch, kind):
    path = in_two_files(tmp_path, **PLACES_IN_THE_FILE[kind])
    monkeypatch.setattr(external_data, "read", None)
    with pytest.raises(CompileError, match=r"'w' \(2, 1, 3, 3\) takes 72 bytes, at .*; expected them inside the"):
        capture(path)


@pytest.mark.parametrize("entry", [("offset", "8"), ("basepath", "/etc")])
def test_an_entry_that_is_there_twice_or_unknown(tmp_path, entry):
    path = in_two_files(tmp_path, entries=[("offset", "8"), entry])
    with pytest.raises(CompileError, match="says twice or wrongly where it is kept"):
        capture(path)


def test_a_claim_of_terabytes(tmp_path):
    proto = onnx.load(in_two_files(tmp_path), load_external_data=False)
    proto.graph.initializer[0].dims[0] = 1 << 40
    del proto.graph.initializer[0].external_data[1:]
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(CompileError, match="takes 39,582,418,599,936 bytes, at the beginning; expected them inside"):
        capture(tmp_path / "model.onnx")


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "folder", "pipe", "the model itself"])
def test_what_is_no_file_of_its_own(tmp_path, kind):
    path, data = in_two_files(tmp_path), tmp_path / "model.onnx.data"
    (tmp_path / "secret").write_bytes(data.read_bytes())
    data.unlink()
    if kind == "symbolic link":
        data.symlink_to("secret")
    elif kind == "hard link":
        os.link(tmp_path / "secret", data)
    elif kind == "folder":
        data.mkdir()
    elif kind == "pipe":
        os.mkfifo(data)
    else:
        path = path.rename(data)
    with pytest.raises(CompileError, match="file 'model.onnx.data' is a link, a folder, a device or the model"):
        capture(path)


def test_a_missing_file(tmp_path):
    path = in_two_files(tmp_path)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(CompileError, match=r"'model.onnx.data' cannot be read \(No such file.*; copy both files"):
        capture(path)


def second_weight(path, **entries):
    proto = onnx.load(path, load_external_data=False)
    other = proto.graph.initializer.add()
    other.CopyFrom(proto.graph.initializer[0])
    other.name = "v"
    del other.external_data[:]
    for key, value in entries.items():
        other.external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())


def test_weights_that_share_bytes(tmp_path):
    path = in_two_files(tmp_path, data=bytes(160))
    second_weight(path, location="model.onnx.data", offset="79")
    with pytest.raises(CompileError, match="weights 'w' and 'v' share bytes of 'model.onnx.data'"):
        capture(path)


def test_weights_in_two_files(tmp_path):
    path = in_two_files(tmp_path)
    (tmp_path / "more").write_bytes(bytes(72))
    second_weight(path, location="more")
    with pytest.raises(CompileError, match="its weights are kept in 2 files; expected one"):
        capture(path)


def test_more_weights_than_a_model_may_have(tmp_path, monkeypatch):
    path = in_two_files(tmp_path)
    monkeypatch.setattr("dscompress.capture.onnx_file.LARGEST", path.stat().st_size + 71)
    with pytest.raises(CompileError, match="has 72 bytes of weights; expected at most 71"):
        capture(path)


def test_a_file_that_is_replaced_after_it_was_looked_at(tmp_path, monkeypatch):
    path = in_two_files(tmp_path)
    looked_at = external_data.regular_file

    def and_replaced(data, model):
        status = looked_at(data, model)
        (tmp_path / "secret").write_bytes(bytes(80))
        (tmp_path / "secret").replace(data)
        return status

    monkeypatch.setattr(external_data, "regular_file", and_replaced)
    with pytest.raises(CompileError, match="'model.onnx.data' changed while it was read; try again"):
        capture(path)
