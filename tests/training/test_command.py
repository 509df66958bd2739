"""dscompress train from the shell: from nothing to a prediction, and each mistake is one sentence and an exit code."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from dscompress import checkpoint
from dscompress.cli import cli
from dscompress.models.digits import small_mobilenet
from dscompress.nn import convert
from dscompress.training import Training
from tests.training.conftest import write_pictures

TINY = ["--model", "small_mobilenet", "--model-args", '{"width": 4}', "--epochs", "1", "--device", "cpu"]


def call(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert "internal error" not in result.stderr, result.stderr
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "pictures"
    write_pictures(folder, 18)
    return folder


@pytest.fixture(scope="module")
def float_run(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("float") / "run"
    result = call("train", folder, "-o", output, *TINY, "--method", "float", "--workers", 0)
    assert result.exit_code == 0, result.stderr
    return output


def test_from_pictures_to_a_labelled_prediction(folder, float_run, tmp_path):
    (folder / "row" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run = tmp_path / "run"
    result = call(
        "train",
        folder,
        "-o",
        run,
        "--weights",
        float_run / "best.pt",
        "--epochs",
        2,
        "--method",
        "ps",
        "--bits",
        3,
        "--layer-bits",
        "0.0=float",
        "--distill",
        0.5,
        "--label-smoothing",
        0.1,
        "--workers",
        0,
    )
    (folder / "row" / "broken.png").unlink()
    assert result.exit_code == 0, result.stderr
    assert "epoch 2/2: loss" in result.stderr and "broken.png" in result.stderr and "3-bit ps" in result.stderr
    assert "left 0.0 (Conv2d): float by '0.0'" in result.stderr
    assert f"dscompress export {run / 'best.pt'}" in result.stdout
    assert "1 that could not be read" in result.stdout
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2] and all(line["skipped"] <= 1 for line in lines)

    exported = call("export", run / "best.pt", "-o", tmp_path / "m.dsf")
    assert exported.exit_code == 0, exported.stderr
    predicted = call("run", tmp_path / "m.dsf", folder / "row" / "00.png", "--json")
    assert predicted.exit_code == 0 and {"row", "column", "diagonal"} & set(predicted.stdout.replace('"', " ").split())
    assert call("verify", tmp_path / "m.dsf", run / "best.pt").exit_code == 0


def test_activation_format_and_settings_travel(folder, tmp_path):
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        *TINY,
        "--method",
        "q",
        "--bits",
        4,
        "--activations",
        "deepshift:4.8",
        "--scale",
        "trained",
        "--layer-bits",
        "4.*=3",
        "--workers",
        0,
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["recipe"] == "q-cifar-scratch"
    layers = checkpoint.load(tmp_path / "run" / "best.pt")["layers"]
    assert {(each["method"], tuple(each["activation"]), each["scale"]) for each in layers.values()} == {
        ("q", (4, 8), "trained")
    }
    assert {name for name, each in layers.items() if each["bits"] == 3} == {"4.0"} and layers["0.0"]["bits"] == 4


def test_weights_of_a_state_dict_and_a_fresh_head(folder, tmp_path):
    torch.save(small_mobilenet(classes=7, width=4).state_dict(), tmp_path / "seven.pt")
    arguments = ["train", folder, "-o", tmp_path / "run", *TINY, "--weights", tmp_path / "seven.pt", "--workers", 0]
    result = call(*arguments)
    assert result.exit_code == 3 and "of another shape" in result.stderr and "--fresh NAME" in result.stderr
    assert call(*arguments, "--fresh", "32").exit_code == 0
    result = call(*arguments[:2], "-o", tmp_path / "other", *arguments[4:], "--fresh", "head")
    assert result.exit_code == 3 and "no layer of the model is called so" in result.stderr


def test_a_fresh_head_under_a_prefix(folder, tmp_path):
    torch.manual_seed(1)
    trained = small_mobilenet(classes=7, width=4).state_dict()
    torch.save({f"net.{key}": value for key, value in trained.items()}, tmp_path / "seven.pt")
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        *TINY,
        "--weights",
        tmp_path / "seven.pt",
        "--workers",
        0,
        "--fresh",
        "32",
        "--method",
        "float",
        "--rate",
        "1e-9",
    )
    assert result.exit_code == 0, result.stderr
    kept = checkpoint.load(tmp_path / "run" / "best.pt")["state_dict"]["0.0.weight"]
    torch.testing.assert_close(kept, trained["0.0.weight"], rtol=1e-5, atol=1e-6)


def test_a_teacher_of_two_sets_of_weights(folder, tmp_path):
    """--weights-key says nothing of it, and is not asked for."""
    weights = small_mobilenet(classes=3, width=4).state_dict()
    torch.save({"state_dict": weights, "ema": weights}, tmp_path / "two.pt")
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        *TINY,
        "--teacher",
        tmp_path / "two.pt",
        "--distill",
        0.5,
        "--workers",
        0,
    )
    assert result.exit_code == 3 and "2 sets of weights" in result.stderr
    assert "save the state_dict of the teacher alone" in result.stderr and "--weights-key" not in result.stderr


def test_a_large_jpeg_is_noted_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dsruntime.image.MOST_BYTES", 64 * 64 * 2 + 16 * 64)
    Image.fromarray(np.zeros((96, 128), np.uint8)).save(folder / "row" / "large.jpg")
    result = call(
        "train", folder, "-o", tmp_path / "run", *TINY, "--epochs", 2, "--workers", 0, "--preprocess", "digits"
    )
    (folder / "row" / "large.jpg").unlink()
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("large.jpg: 96 x 128 pixels are decoded at 1/") == 1
    assert "note: " in result.stderr and "UserWarning" not in result.stderr


def test_weights_of_the_original_deepshift(folder, tmp_path):
    """Latent floats under a PS network's keys and a DataParallel prefix; the folder's name says method and bits."""
    torch.manual_seed(0)
    model, _ = convert(small_mobilenet(classes=3, width=4), "ps", bits=4)
    path = tmp_path / "shift_ps_all_wb_4" / "checkpoint.pth.tar"
    path.parent.mkdir()
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, path)
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        *TINY,
        "--weights",
        path,
        "--method",
        "float",
        "--rate",
        "1e-9",
        "--workers",
        0,
    )
    assert result.exit_code == 0, result.stderr
    kept = checkpoint.load(tmp_path / "run" / "best.pt")["state_dict"]["0.0.weight"]
    torch.testing.assert_close(kept, model[0][0].effective_weight.detach(), rtol=1e-5, atol=1e-6)


def test_a_long_epoch_shows_where_it_is_in_a_pipe_too(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dscompress.cli.show.LINE_EVERY", 0.0)
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--workers", 0, "--epochs", 2)
    steps = [line for line in result.stderr.splitlines() if " of " in line and line.startswith("epoch")]
    assert steps[0].startswith("epoch 1/2: 1 of ") and steps[-1].startswith("epoch 2/2, loss ")


def test_the_names_of_recipes_are_whole_in_a_terminal(monkeypatch):
    from dscompress.cli import show
    from dscompress.recipes import RECIPES

    monkeypatch.setattr(show, "room", lambda: 80)
    words = call("train", "--recipes").stdout.split()
    assert RECIPES.keys() <= set(words)


def test_the_list_of_recipes():
    result = call("train", "--recipes")
    assert result.exit_code == 0 and "ps-cifar-pretrained" in result.stdout and "radam" in result.stdout


def test_no_epoch_has_ended_yet(folder, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "take_step", interrupt)
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--workers", 0)
    assert result.exit_code == 130
    assert "no epoch has ended; to go on, repeat the command with --resume" in result.stderr
    assert checkpoint.load(tmp_path / "run" / "last.pt")["training"]["epoch"] == 0


def test_nan_stops_and_the_last_good_checkpoint_stays(folder, tmp_path):
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        *TINY,
        "--method",
        "float",
        "--optimizer",
        "sgd",
        "--rate",
        "1e3",
        "--epochs",
        50,
        "--schedule",
        "constant",
        "--workers",
        0,
    )
    assert result.exit_code == 3, result.stderr
    assert "expected a finite number" in result.stderr and "take a smaller rate" in result.stderr
    values = checkpoint.load(tmp_path / "run" / "last.pt")
    done = values["training"]["epoch"]  # processors differ in how soon such a rate ends in NaN
    left = f"has the first {done} epoch" if done else "has the start alone"
    assert f"{tmp_path / 'run' / 'last.pt'} {left}" in result.stderr
    assert all(bool(value.isfinite().all()) for value in values["state_dict"].values())
    assert values["training"]["epoch"] == len(values["training"]["history"]["epochs"]) < 50


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["--bits", "7"], 2, "7 is not 2 to 5"),
        (["--method", "float32"], 2, "'float32' is not one of"),
        (["--milestones", "a"], 2, "'a' is not a list of numbers"),
        (["--activations", "3,5"], 2, "'3,5' is not float, or deepshift:I.F"),
        (["--activations", "int8"], 2, "'int8' is not float, or deepshift:I.F"),
        (["--activations", "deepshift:1.5"], 2, "out of range: 2 or more integer bits"),
        (["--layer-bits", "4.0"], 2, "'4.0' is not LAYER=BITS"),
        (["--layer-bits", "nowhere=3"], 3, "'nowhere' matches no"),
        (["--layer-bits", "nowhere=float"], 3, "'nowhere' matches no"),
        (["--epochs", "0"], 2, "0 is not 1 to 100000"),
        (["--recipe", "best"], 2, "no recipe is called"),
        (["--model", "resnet9000"], 3, "small_resnet, small_mobilenet"),
        (["--model", "torchvision.models:resnet19"], 3, "did you mean resnet18"),
        (["--model-args", '{"depth": 3}'], 3, "check --model-args"),
        (["--model-args", '{"classes": 5}'], 3, "it answers (1, 5) for one image"),
        (["--weights", "gone.pt"], 3, "no such file"),
        (["--distill", "0.5"], 3, "no trained float network to learn from"),
        (["--device", "cuda:99"], 4, "device 'cuda:99'"),
        (["--precision", "fp16"], 3, "the device is cpu"),
        (["--preprocess", "imagenette"], 3, "no recipe and no file has this name"),
        (["--held-out", "1"], 2, "--held-out"),
    ],
)
def test_mistakes_are_sentences(folder, tmp_path, arguments, code, says):
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--workers", 0, *arguments)
    assert result.exit_code == code, result.stderr
    assert says in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("data, says", [("nowhere", "no such folder"), (".", "is empty")])
def test_data_that_is_none(tmp_path, monkeypatch, data, says):
    monkeypatch.chdir(tmp_path)
    result = call("train", data, "-o", "../run")
    assert result.exit_code == 3 and says in result.stderr


def test_an_output_that_cannot_be(folder, tmp_path):
    (tmp_path / "file").write_text("")
    result = call("train", folder, "-o", tmp_path / "file", *TINY, "--workers", 0)
    assert result.exit_code == 3 and "is a file; expected a folder to write to" in result.stderr
    result = call("train", folder, "-o", "/proc/run", *TINY, "--workers", 0)
    assert result.exit_code == 3 and "/proc/run: cannot be made" in result.stderr
    (tmp_path / "run" / "last.pt").mkdir(parents=True)
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--workers", 0)
    assert result.exit_code == 3 and "it is a folder" in result.stderr


def test_a_full_disk_keeps_the_last_epoch(folder, tmp_path, monkeypatch):
    import os

    write, written = os.write, []

    def fills_up(descriptor, data):
        if len(data) > 10_000:
            written.append(descriptor)
            if len(written) > 3:  # the start, best.pt and last.pt of the first epoch
                raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr("dscompress.atomic_file.os.write", fills_up)
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--epochs", 3, "--workers", 0)
    monkeypatch.undo()
    assert result.exit_code == 4 and "no space left on device" in result.stderr
    assert checkpoint.load(tmp_path / "run" / "last.pt")["training"]["epoch"] >= 1
    result = call("train", folder, "-o", tmp_path / "run", *TINY, "--epochs", 3, "--workers", 0, "--resume")
    assert result.exit_code == 0, result.stderr


def test_weights_of_another_architecture(folder, float_run, tmp_path):
    result = call(
        "train",
        folder,
        "-o",
        tmp_path / "run",
        "--weights",
        float_run / "best.pt",
        "--workers",
        0,
        "--model",
        "small_resnet",
    )
    assert result.exit_code == 3 and "the keys do not fit --model small_resnet" in result.stderr
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    result = call("train", folder, "-o", tmp_path / "run", "--weights", tmp_path / "module.pt", "--workers", 0)
    assert result.exit_code == 3 and "is a file of kind pickled module" in result.stderr
