"""A state_dict, or a checkpoint that holds one, with --model; what does not fit is listed."""

import hashlib

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import dsruntime
from dscompress.capture import CaptureOptions, capture
from dscompress.cli import cli
from dscompress.errors import CompileError
from dscompress.nn import bake
from tests.capture import models
from tests.capture.run import run

PS = "tests.capture.models:ps_net"
FLOAT = "tests.capture.models:float_net"


def saved(folder, content, **options):
    torch.save(content, folder / "any.name", **options)
    return folder / "any.name"


def refusal(path, **options) -> str:
    with pytest.raises(CompileError) as caught:
        capture(path, CaptureOptions(**{"model": PS, "input_shape": models.SHAPE, **options}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrap", [
    lambda weights: weights,
    lambda weights: {"epoch": 3, "state_dict": weights},
    lambda weights: {"model_state_dict": weights, "optimizer": {"state": {}}},
    lambda weights: {"generator": weights},
    lambda weights: {"model": {f"module.{key}": value for key, value in weights.items()}},
    lambda weights: {f"module._orig_mod.{key}": value for key, value in weights.items()},
], ids=["bare", "state_dict", "model_state_dict", "other", "DataParallel", "compiled"])  # fmt: skip
def test_answers(tmp_path, net, x, answer, wrap):
    path = saved(tmp_path, wrap(net.state_dict()))
    captured = capture(path, CaptureOptions(model=PS, input_shape=models.SHAPE))
    assert captured.kind == "state_dict"
    assert captured.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)


def test_other_floats_are_said_once(tmp_path):
    path = saved(tmp_path, models.float_net().double().state_dict())
    captured = capture(path, CaptureOptions(model=FLOAT, input_shape=models.SHAPE))
    assert captured.notes.count("found float64 weights, stored as float32") == 1


def test_the_old_stream_of_torch_save(tmp_path, net):
    path = saved(tmp_path, net.state_dict(), _use_new_zipfile_serialization=False)
    assert capture(path, CaptureOptions(model=PS, input_shape=models.SHAPE)).kind == "state_dict"


def test_notes_say_what_was_taken_and_stripped(tmp_path, net):
    weights = {f"module.{key}": value for key, value in net.state_dict().items()}
    captured = capture(saved(tmp_path, {"net": weights}), CaptureOptions(model=PS, input_shape=models.SHAPE))
    assert captured.notes == ["weights taken from 'net' of the checkpoint", "prefix 'module.' stripped from the keys"]


def test_without_a_model_the_command_to_type(tmp_path, net):
    path = saved(tmp_path, net.state_dict())
    text = refusal(path, model=None, input_shape=None)
    assert f"dscompress export {path} --model package.module:factory --input-shape 1,3,224,224" in text


def test_model_arguments(tmp_path):
    path = saved(tmp_path, models.float_net(4).state_dict())
    for arguments in ('{"classes": 4}', {"classes": 4}, "[4]", [4]):
        captured = capture(path, CaptureOptions(model=FLOAT, model_args=arguments, input_shape=models.SHAPE))
        assert captured.model.graph.outputs[0].shape[1] == 4
    text = refusal(path, model=FLOAT)
    assert "2 of another shape (4.weight: the file has (4, 144), the model (10, 144)" in text and "--model-args" in text
    assert "no JSON" in refusal(path, model_args="{classes: 4}")


def test_keys_that_do_not_fit_are_listed(tmp_path):
    weights = {f"backbone.{index}": torch.zeros(2) for index in range(14)}
    text = refusal(saved(tmp_path, weights), model=FLOAT)
    assert "8 missing (0.weight, 0.bias, 1.weight" in text
    assert "14 unexpected (backbone.0, " in text and "backbone.9, and 4 more)" in text


def test_shift_layers_fill_a_float_model_and_not_the_other_way_round(tmp_path, net, x, answer):
    captured = capture(saved(tmp_path, net.state_dict()), CaptureOptions(model=FLOAT, input_shape=models.SHAPE))
    np.testing.assert_allclose(run(captured.model, x.numpy()), answer, atol=1e-5)
    assert captured.imported.method == "ps" and captured.imported.biases_moved == 0
    text = refusal(saved(tmp_path, models.float_net().state_dict()))
    assert "the model has PS shift layers and the file float weights" in text


def test_latent_weights_of_method_q_in_a_float_model_are_pointed_out_or_rounded(tmp_path):
    path = saved(tmp_path, models.q_net().state_dict())
    captured = capture(path, CaptureOptions(model=FLOAT, input_shape=models.SHAPE))
    assert "after training with method 'q'; if so, add --method q" in captured.notes[0]
    captured = capture(path, CaptureOptions(model=FLOAT, input_shape=models.SHAPE, method="q"))
    assert captured.imported.moved > 1400 and "after training" not in " ".join(captured.notes)
    rounded = saved(tmp_path, bake(models.q_net()).state_dict())
    assert capture(rounded, CaptureOptions(model=FLOAT, input_shape=models.SHAPE)).notes == []


@pytest.mark.parametrize("content, part", [
    ({"a": 1, "b": "c"}, "holds no state_dict; it has a, b"),
    ({}, "it has nothing"),
    ([torch.zeros(2)], "holds a list"),
    (torch.zeros(2), "holds a single tensor"),
], ids=str)  # fmt: skip
def test_what_is_no_state_dict(tmp_path, content, part):
    assert part in refusal(saved(tmp_path, content))


@pytest.mark.parametrize("model, part", [
    ("models", "expected --model package.module:factory"),
    ("tests/capture/models.py:ps_net", "write --model tests.capture.models:ps_net"),
    ("nowhere.at_all:net", "no module 'nowhere'"),
    ("tests.capture.models:ps_nett", "did you mean ps_net"),
    ("tests.capture.models:SHAPE", "is a str; expected a class or function"),
    ("os:getcwd", "returned str; expected an nn.Module"),
    ("tests.capture.models:fails", "RuntimeError: no weights on this machine"),
])  # fmt: skip
def test_a_model_that_cannot_be_built(tmp_path, net, model, part):
    assert part in refusal(saved(tmp_path, net.state_dict()), model=model)


def test_the_current_directory_is_importable(tmp_path, monkeypatch):
    path = saved(tmp_path, torch.nn.Linear(2, 3).state_dict())
    (tmp_path / "my_own_net.py").write_text("import torch\ndef net():\n    return torch.nn.Linear(2, 3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/nowhere")
    captured = capture(path, CaptureOptions(model="my_own_net:net", input_shape="1,2"))
    assert captured.model.graph.outputs[0].shape[1] == 3


def test_torchvision_beside_a_cpu_torch(tmp_path):
    from dscompress.torchmodel.factory import build

    path = saved(tmp_path, build("torchvision.models:squeezenet1_1", {"num_classes": 3}, "test").state_dict())
    options = CaptureOptions(model="torchvision.models:squeezenet1_1", model_args={"num_classes": 3},
                             input_shape="1,3,64,64")  # fmt: skip
    assert capture(path, options).model.graph.outputs[0].shape[1] == 3


def test_indices_of_words_through_every_command(tmp_path):
    path = saved(tmp_path, models.words_net().state_dict())
    words = ["--model", "tests.capture.models:words_net", "--input-shape", "1,3", "--input-dtype", "int64"]
    for command in (["export", path, "-o", tmp_path / "w.dsf"], ["verify", tmp_path / "w.dsf", path]):
        result = CliRunner().invoke(cli, [str(word) for word in (*command, *words)])
        assert result.exit_code == 0, result.output
    with dsruntime.load(tmp_path / "w.dsf") as session:
        net, ids = models.words_net().eval(), np.array([[0, 6, 3], [1, 1, 2]])
        net.load_state_dict(torch.load(path))
        answers = session.run(ids)
        answers = next(iter(answers.values())) if isinstance(answers, dict) else answers
        np.testing.assert_allclose(answers, net(torch.from_numpy(ids)).detach().numpy(), atol=1e-6)
