"""No code that a file names runs without --trust-pickle: a payload that would create a marker file never does."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dscompress.capture import CaptureOptions, capture
from dscompress.capture.archive_check import is_plain_expression
from dscompress.errors import CompileError
from tests.capture import models
from tests.capture.run import run

OPTIONS = {"input_shape": models.SHAPE, "model": "tests.capture.models:ps_net"}


class Payload:
    """Creates the marker file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


class PayloadWithState(dict):
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return exec, (f"open({self.marker!r}, 'w')",)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "marker"


def bare(path, marker):
    torch.save(Payload(marker), path)


def in_a_dict(path, marker):
    torch.save({"state_dict": {"0.bias": torch.zeros(2)}, "optimizer": Payload(marker)}, path)


def as_a_dict(path, marker):
    torch.save(PayloadWithState(marker), path)


def in_a_list(path, marker):
    torch.save([Payload(marker)], path)


def as_a_key(path, marker):
    torch.save({1: {"a": Payload(marker)}}, path)


def old_stream(path, marker):
    torch.save({"state_dict": Payload(marker)}, path, _use_new_zipfile_serialization=False)


def old_stream_bare(path, marker):
    torch.save(Payload(marker), path, _use_new_zipfile_serialization=False)


def plain_pickle(path, marker):
    path.write_bytes(pickle.dumps(Payload(marker)))


def old_protocol(path, marker):
    path.write_bytes(pickle.dumps(Payload(marker), protocol=0))


def protocol_4(path, marker):
    torch.save({"a": Payload(marker)}, path, pickle_protocol=4)


def torchscript_lookalike(path, marker):
    bare(path, marker)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{path.name}/constants.pkl", pickle.dumps(Payload(marker)))


def second_magic_number(path, marker):
    """The magic number of the old stream is a pickle itself; here a payload stands behind the first."""
    buffer = io.BytesIO()
    torch.save({}, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue()[:15] + pickle.dumps(Payload(marker)) + buffer.getvalue()[15:])


PAYLOADS = [bare, in_a_dict, as_a_dict, in_a_list, as_a_key, old_stream, old_stream_bare, plain_pickle, old_protocol,
            protocol_4, torchscript_lookalike, second_magic_number]  # fmt: skip


@pytest.mark.parametrize("write", PAYLOADS, ids=lambda write: write.__name__)
def test_a_payload_never_runs(tmp_path, marker, write):
    path = tmp_path / "model.pt"
    write(path, marker)
    with pytest.raises(CompileError) as caught:
        capture(path, CaptureOptions(**OPTIONS))
    assert not marker.exists()
    assert "\n" not in str(caught.value)


def pt2(path: Path, change) -> None:
    """A .pt2 whose members `change` may replace."""
    torch.export.save(torch.export.export(models.ps_net().eval(), (torch.zeros(2, 1, 8, 8),)), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change({name.partition("/")[2]: name for name in members}, members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def sample_inputs(names, members, marker):
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    members[names["data/sample_inputs/model.pt"]] = buffer.getvalue()


def pickled_weight(names, members, marker):
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    config = json.loads(members[names["data/weights/model_weights_config.json"]])
    next(iter(config["config"].values()))["use_pickle"] = True
    members[names["data/weights/model_weights_config.json"]] = json.dumps(config).encode()
    members[names["data/weights/weight_0"]] = buffer.getvalue()


def opaque_object(names, members, marker):
    key = names["data/constants/model_constants_config.json"]
    meta = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    members[key] = json.dumps({"config": {"object": meta}}).encode()
    members[names["data/weights/weight_0"].replace("weights/weight_0", "constants/opaque_obj_0")] = pickle.dumps(
        Payload(marker)
    )


def expression(names, members, marker):
    key = names["models/model.json"]
    size = json.dumps({"as_expr": {"expr_str": f"open({str(marker)!r}, 'w')", "hint": {"as_int": 2}}})
    assert members[key].count(b'{"as_int": 144}')
    members[key] = members[key].replace(b'{"as_int": 144}', size.encode())


def operator(names, members, marker):
    key = names["models/model.json"]
    members[key] = members[key].replace(b"torch.ops.aten.relu.default", b"torch.ops.load_library")


CHANGES = [sample_inputs, pickled_weight, opaque_object, expression, operator]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_payload_in_a_pt2_never_runs(tmp_path, marker, change):
    path = tmp_path / "model.pt2"
    pt2(path, lambda names, members: change(names, members, marker))
    with pytest.raises(CompileError, match="to load that can run code.*--trust-pickle"):
        capture(path, CaptureOptions())
    assert not marker.exists()


def test_an_unchanged_pt2_passes_the_same_way(tmp_path):
    pt2(tmp_path / "model.pt2", lambda names, members: None)
    assert capture(tmp_path / "model.pt2", CaptureOptions()).kind == "exported program"


@pytest.mark.parametrize("text, plain", [
    ("s0 + 2*s1", True),
    ("FloorDiv(s0 - 1, 2) + 1", True),
    ("Symbol('s31', positive=True, integer=True)", True),
    ("Mul(Integer(2), Symbol('s0', integer=True))", True),
    ("open(s0)", False),
    ("Symbol('s0').__class__", False),
    ("s0.name", False),
    ("exec('1')", False),
    ("(lambda: 1)()", False),
    ("Max(s0, open)(s1)", False),
    ("[s0][0]", False),
    (3, False),
])  # fmt: skip
def test_size_expressions(text, plain):
    assert is_plain_expression(text) == plain


@pytest.mark.parametrize("old", [False, True])
def test_a_pickled_module_needs_trust(tmp_path, net, x, answer, old):
    path = tmp_path / "model.pt"
    torch.save(net, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(CompileError) as caught:
        capture(path, CaptureOptions(input_shape=models.SHAPE))
    for part in ("pickled module", "torch.save(model.state_dict(), 'weights.pt')", "--model", "--trust-pickle"):
        assert part in str(caught.value)
    captured = capture(path, CaptureOptions(input_shape=models.SHAPE, trust_pickle=True))
    assert captured.kind == "pickled module" and "--trust-pickle" in captured.notes[0]
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_objects_beside_the_weights_are_left_out(tmp_path, net):
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": net.state_dict(), "where": Path("/somewhere")}, path)
    assert capture(path, CaptureOptions(**OPTIONS)).kind == "state_dict"
    assert capture(path, CaptureOptions(**OPTIONS, trust_pickle=True)).kind == "state_dict"


def test_names_that_no_checkpoint_needs_are_refused(tmp_path, marker):
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": models.float_net().state_dict(), "where": Payload(marker)}, path)
    with pytest.raises(CompileError, match=r"names io.open, which no checkpoint needs and which was not run"):
        capture(path, CaptureOptions(**OPTIONS))
    assert not marker.exists()


def test_trust_with_code_that_is_missing(tmp_path):
    (tmp_path / "gone.py").write_text("import torch\nclass Net(torch.nn.Linear): pass\n")
    code = "import gone, torch; torch.save(gone.Net(2, 2), 'model.pt')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with pytest.raises(CompileError, match="No module named 'gone'; run from the folder"):
        capture(tmp_path / "model.pt", CaptureOptions(input_shape="1,2", trust_pickle=True))


def test_one_place_loads_without_weights_only():
    import dscompress

    sources = [path.read_text() for path in Path(dscompress.__file__).parent.rglob("*.py")]
    assert sum(text.count("weights_only=False") for text in sources) == 1
