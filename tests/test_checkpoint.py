"""Checkpoints: plain values and tensors; export needs nothing else; code runs only where the user names it."""

import pytest
import torch
from torch import nn

from dscompress import checkpoint, compile_model
from dscompress.errors import BackendError, CompileError
from dscompress.models.digits import small_mobilenet
from dscompress.nn import bake, convert
from dscompress.torchfile.detect import STATE_DICT, TRAINING_CHECKPOINT, detect
from dsruntime import load
from dsruntime.image import RECIPES

MINE = """
from dscompress.models.digits import small_mobilenet

def mine(width):
    return small_mobilenet(3, 1, width)
"""
LABELS = ("zero", "one", "two")


def card(model="small_mobilenet", model_args=None, **more):
    arguments = {"classes": 3, "width": 4} if model_args is None else model_args
    return checkpoint.Card(model, arguments, {}, (1, 1, 8, 8), RECIPES["digits"], LABELS, **more)


def shift_net(**setting):
    torch.manual_seed(0)
    model, _ = convert(small_mobilenet(classes=3, width=4), "ps", bits=4, **setting)
    return model.eval()


@pytest.fixture
def saved(tmp_path):
    model = shift_net(override={"0.*": {"bits": 3}}, scale="fixed")
    checkpoint.save(tmp_path / "best.pt", checkpoint.pack(card(), model, epoch=3))
    return tmp_path / "best.pt", model


def test_detected_by_its_content(saved, tmp_path):
    assert detect(saved[0]) == TRAINING_CHECKPOINT
    torch.save({"format": "another", "state_dict": {}}, tmp_path / "other.pt")
    torch.save({"epoch": 1, "state_dict": nn.Linear(2, 2).state_dict()}, tmp_path / "theirs.pt")
    assert detect(tmp_path / "other.pt") == detect(tmp_path / "theirs.pt") == STATE_DICT


def test_the_network_comes_back_with_every_layers_setting(saved):
    path, model = saved
    built = checkpoint.build(checkpoint.load(path), str(path))
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(built.eval()(x), model(x))
    assert built[0][0].setting == model[0][0].setting and built[0][0].bits == 3 and built[2][0].bits == 4


@torch.no_grad()
def test_export_needs_no_further_arguments(saved, tmp_path):
    path, model = saved
    report = compile_model(path, tmp_path / "m.dsf")
    assert report.kind == TRAINING_CHECKPOINT and report.name == "small_mobilenet" and not report.float_weights
    x = torch.rand(2, 1, 8, 8)
    with load(tmp_path / "m.dsf") as session:
        torch.testing.assert_close(torch.as_tensor(session.run(x.numpy())), bake(model)(x), rtol=1e-4, atol=1e-5)
        assert session.predict(torch.zeros(8, 8, dtype=torch.uint8).numpy())[0].label in LABELS


def test_what_the_user_says_goes_before_the_file(saved, tmp_path):
    report = compile_model(saved[0], tmp_path / "m.dsf", labels=["a", "b", "c"], name="mine")
    with load(tmp_path / "m.dsf") as session:
        assert session.predict(torch.zeros(8, 8, dtype=torch.uint8).numpy())[0].label in "abc"
    assert report.name == "mine"


@pytest.mark.parametrize("name", [
    "os:system", "dscompress.models.digits:nn.Module", "dscompress.models.digits:MOBILE_BLOCKS", "os:path.exists",
    "torchvision.models:get_model", "torchvision.models:_api.importlib.import_module", "dscompress.demo:main",
])  # fmt: skip
def test_a_file_starts_no_code_by_itself(tmp_path, name):
    checkpoint.save(tmp_path / "m.pt", checkpoint.pack(card(model=name, model_args={}), shift_net()))
    with pytest.raises(CompileError, match=r"code that a file may not start by itself|is a tuple"):
        compile_model(tmp_path / "m.pt")


def test_a_file_makes_torchvision_download_nothing(tmp_path):
    arguments = {"weights": "DEFAULT"}
    checkpoint.save(tmp_path / "m.pt", checkpoint.pack(card("torchvision.models:resnet18", arguments), shift_net()))
    with pytest.raises(CompileError, match="code that a file may not start by itself"):
        compile_model(tmp_path / "m.pt")


def test_foreign_code_runs_where_the_user_names_it(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint.save(tmp_path / "m.pt", checkpoint.pack(card("my_nets:mine", {"width": 4}), shift_net()))
    with pytest.raises(CompileError, match="was made with --model my_nets:mine.*say it again: --model my_nets:mine"):
        compile_model(tmp_path / "m.pt")
    assert compile_model(tmp_path / "m.pt", model="my_nets:mine").shift_weights


def test_a_checkpoint_of_another_architecture(saved):
    with pytest.raises(CompileError, match="does not fit --model small_resnet: .*no such module|the keys do not fit"):
        compile_model(saved[0], model="small_resnet")


@pytest.mark.parametrize("key, value, says", [
    ("version", 2, "version 2; expected version 1"),
    ("layers", [], "is damaged: layers"),
    ("input_shape", ["x"], "is damaged: input_shape"),
    ("image", '{"color": "infrared"}', "'resize'"),
    ("layers", {"0.0": {"method": "ps", "bits": 9}}, "bits=9"),
    ("model", "small_transformer", "code that a file may not start"),
])  # fmt: skip
def test_a_checkpoint_that_was_tampered_with(saved, key, value, says):
    values = {**checkpoint.load(saved[0]), key: value}
    torch.save(values, saved[0])
    with pytest.raises(CompileError, match=says):
        compile_model(saved[0])


def test_saving_replaces_or_leaves(saved, monkeypatch):
    path, model = saved
    before = path.read_bytes()

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dscompress.atomic_file.os.write", full)
    with pytest.raises(BackendError, match="cannot be written: no space left on device; free some space"):
        checkpoint.save(path, checkpoint.pack(card(), model))
    assert path.read_bytes() == before and [each.name for each in path.parent.iterdir()] == ["best.pt"]
