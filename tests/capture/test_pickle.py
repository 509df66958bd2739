"""No code that a file names runs without --trust-pickle: a payload that would create a marker file never does."""

import copy
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

from dscompress.capture import CaptureOptions, capture, exported_program
from dscompress.capture.archive_check import UNUSED, dangers_in_json
from dscompress.capture.archive_expression import is_plain_expression
from dscompress.capture.archive_operators import is_plain_operator
from dscompress.errors import CompileError
from dscompress.torchfile.pickle_machine import Machine
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


def pickled(marker) -> bytes:
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    return buffer.getvalue()


def in_model(members, old: str, new: str) -> None:
    name = next(name for name in members if name.endswith("models/model.json"))
    assert old.encode() in members[name]
    members[name] = members[name].replace(old.encode(), new.encode())


def sample_inputs(names, members, marker):
    members[names["data/sample_inputs/model.pt"]] = pickled(marker)


def sample_inputs_in_capitals(names, members, marker):
    """PyTorch's reader finds a member by its name in any case."""
    del members[names["data/sample_inputs/model.pt"]]
    members[names["data/sample_inputs/model.pt"].replace("model.pt", "model.PT")] = pickled(marker)


def pickled_weight(names, members, marker):
    config = json.loads(members[names["data/weights/model_weights_config.json"]])
    next(iter(config["config"].values()))["use_pickle"] = True
    members[names["data/weights/model_weights_config.json"]] = json.dumps(config).encode()
    members[names["data/weights/weight_0"]] = pickled(marker)


def opaque_object(names, members, marker):
    key = names["data/constants/model_constants_config.json"]
    meta = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False, "tensor_meta": None}
    members[key] = json.dumps({"config": {"object": meta}}).encode()
    members[names["data/weights/weight_0"].replace("weights/weight_0", "constants/opaque_obj_0")] = pickle.dumps(
        Payload(marker)
    )


def expression(names, members, marker):
    in_model(members, '{"as_int": 144}', json.dumps(
        {"as_expr": {"expr_str": f"open({str(marker)!r}, 'w')", "hint": {"as_int": 2}}}))  # fmt: skip


def expression_in_a_second_model(names, members, marker):
    """A model of another ending is loaded, too."""
    key = names["models/model.json"]
    good = members[key]
    expression(names, members, marker)
    members[key.replace("model.json", "model.jsom")], members[key] = members[key], good


def operator(names, members, marker):
    in_model(members, "torch.ops.aten.relu.default", "torch.ops.load_library")


def name_of_an_input(names, members, marker):
    """It is pasted into the Python that PyTorch makes of a graph; a default is evaluated there."""
    in_model(members, '"input"', json.dumps(f"input=open({str(marker)!r}, 'w')"))


def structure_that_imports(names, members, marker):
    """The enum or factory in a structure of inputs names a module, which loading imports."""
    (marker.parent / "own_module_of_the_file.py").write_text(f"open({str(marker)!r}, 'w')")
    context = json.dumps([{"__enum__": True, "fqn": "own_module_of_the_file:A", "name": "B"}])
    in_model(members, json.dumps('[1, {"type": "builtins.tuple", "context": "null"')[1:-1],
             json.dumps(f'[1, {{"type": "builtins.tuple", "context": {json.dumps(context)}')[1:-1])  # fmt: skip


def defaultdict_that_imports(names, members, marker):
    (marker.parent / "own_module_of_the_file.py").write_text(f"open({str(marker)!r}, 'w')")
    context = {"default_factory_module": "own_module_of_the_file", "default_factory_name": "A", "dict_context": []}
    in_model(
        members,
        json.dumps('[1, {"type": "builtins.tuple", "context": "null"')[1:-1],
        json.dumps(f'[1, {{"type": "collections.defaultdict", "context": {json.dumps(context)}')[1:-1],
    )


CHANGES = [sample_inputs, sample_inputs_in_capitals, pickled_weight, opaque_object, expression,
           expression_in_a_second_model, operator, name_of_an_input, structure_that_imports,
           defaultdict_that_imports]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_payload_in_a_pt2_never_runs(tmp_path, marker, change, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)  # as "" is, where commands run
    path = tmp_path / "model.pt2"
    pt2(path, lambda names, members: change(names, members, marker))
    with pytest.raises(CompileError, match="to load that can run code.*--trust-pickle"):
        capture(path, CaptureOptions())
    assert not marker.exists()


class OneDocument:
    """Stands in for the archive's reader."""

    def __init__(self, document) -> None:
        self.content = json.dumps(document).encode()

    def get_record(self, name: str) -> bytes:
        return self.content


def places(item, path=()):
    """(path, text) of every text and every key in a document, but for what is never run."""
    for key, value in item.items() if isinstance(item, dict) else enumerate(item):
        if key in UNUSED:
            continue
        if isinstance(key, str):
            yield (*path, key), None
        if isinstance(value, str):
            yield (*path, key), value
        elif isinstance(value, dict | list):
            yield from places(value, (*path, key))


def test_no_text_of_a_pt2_may_be_code(tmp_path):
    """Each text and each key in turn; which of them PyTorch pastes into Python, its versions decide."""
    pt2(tmp_path / "model.pt2", lambda names, members: None)
    with zipfile.ZipFile(tmp_path / "model.pt2") as archive:
        name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
        document = json.loads(archive.read(name))
    assert list(dangers_in_json(OneDocument(document), "model.json")) == []
    found = list(places(document))
    assert len(found) > 1000
    for path, text in found[:: len(found) // 100]:
        changed = copy.deepcopy(document)
        item = changed
        for key in path[:-1]:
            item = item[key]
        if text is None:
            item["open('x', 'w')"] = item.pop(path[-1])
        else:
            item[path[-1]] = "open('x', 'w')"
        assert list(dangers_in_json(OneDocument(changed), "model.json")), path


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
    ("Add(s0, __import__)", False),
    ("9**9**9", False),
    ("Pow(Symbol('s0'), Integer(2))", True),
    ("Pow(Integer(9), Pow(Integer(9), Integer(9)))", False),
    ("Float('1.5', precision=53)", True),
    ("(" * 300 + "1" + ")" * 300, False),
    (3, False),
])  # fmt: skip
def test_size_expressions(text, plain):
    assert is_plain_expression(text) == plain


@pytest.mark.parametrize("target, plain", [
    ("torch.ops.aten.conv2d.default", True),
    ("torch.ops.aten.cat.default", True),
    ("torch.ops.aten.arange.start_step", True),
    ("torch.ops.aten._assert_scalar.default", True),
    ("torch.ops.prims.iota.default", True),
    ("torch.ops.higher_order.cond", True),
    ("torch.ops.aten.of_tomorrow.default", True),  # the loader refuses what it does not know
    ("torch.ops.aten.conv2d", False),
    ("torch.ops.aten.save.default", False),  # of TorchScript: save(t item, str filename)
    ("torch.ops.aten.from_file.default", False),
    ("torch.ops.aten.from_file.out", False),
    ("torch.ops.aten._print.default", False),
    ("torch.ops.higher_order.print", False),
    ("torch.ops.higher_order.triton_kernel_wrapper_mutation", False),
    ("torch.ops.mine.op.default", False),
    ("torch.ops.load_library", False),
    ("torch.hub.load", False),
    ("math.factorial", False),
    (None, False),
])  # fmt: skip
def test_operators(target, plain):
    assert is_plain_operator(target) == plain


def test_guards_are_not_run(tmp_path, marker):
    """They are Python that PyTorch runs when it makes a module of a program."""
    guard = '"guards_code": ' + json.dumps([f"open({str(marker)!r}, 'w')"])
    pt2(tmp_path / "model.pt2", lambda names, members: in_model(members, '"guards_code": []', guard))
    program = exported_program.load(tmp_path / "model.pt2", trusted=False)
    assert program._guards_code == []
    assert capture(tmp_path / "model.pt2", CaptureOptions()).kind == "exported program"
    assert not marker.exists()


def test_a_changed_weight_in_a_pt2_is_found(tmp_path):
    path = tmp_path / "model.pt2"
    pt2(path, lambda names, members: None)
    content = bytearray(path.read_bytes())
    content[content.find(b"weight_5") + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(CompileError, match="the checksum of model/data/weights/weight_5 is wrong"):
        capture(path, CaptureOptions())


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


def test_paths_are_known_by_every_python_s_name_of_them():
    for module in (b"pathlib", b"pathlib._local"):  # the latter from 3.13 on
        name, _ = Machine(b"\x80\x02c%b\nPosixPath\n." % module, persistent=None).run()
        assert name.name.endswith("PosixPath")


def test_names_that_no_checkpoint_needs_are_refused(tmp_path, marker):
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": models.float_net().state_dict(), "where": Payload(marker)}, path)
    with pytest.raises(CompileError, match=r"names _?io.open, which no checkpoint needs and which was not run"):
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
