"""dscompress convert: files in, files of the same kind out, and each mistake one sentence and an exit code."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import dscompress
from dscompress import checkpoint, ptq
from dscompress.cli import cli
from dscompress.cli.convert import INGREDIENTS
from dscompress.compile.encode import encode

NET = ["--model", "tests.ptq.conftest:small_net", "--input-shape", "1,1,8,8"]


def call(*arguments):
    result = CliRunner().invoke(cli, ["convert", *map(str, arguments)])
    assert "internal error" not in result.stderr, result.stderr
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory, trained, inputs):
    folder = tmp_path_factory.mktemp("convert")
    torch.save(trained.state_dict(), folder / "net.pt")
    torch.save(
        {
            "epoch": 3,
            "state_dict": {f"module.{key}": value for key, value in trained.state_dict().items()},
            "optimizer": {"lr": 0.1},
        },
        folder / "best.tar",
    )
    np.save(folder / "x.npy", inputs.numpy())
    images = folder / "images"
    (images / "deep").mkdir(parents=True)
    for index, scan in enumerate(inputs[:70]):
        pixels = (scan[0] * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(images / ("deep" if index % 2 else "") / f"{index:03}.png")
    (images / "010.png").write_bytes(b"\x89PNG damaged")
    (images / "notes.txt").write_text("not an image")
    (folder / "empty").mkdir()
    return folder


def test_a_state_dict_keeps_its_keys_and_exports(folder, trained):
    output = folder / "net_4bit.pt"
    result = call(folder / "net.pt", "--bits", 4, "--inputs", folder / "x.npy", "-o", output, *NET)
    assert result.exit_code == 0, result.stderr
    assert "held out" in result.stdout and "0" in result.stdout
    state = torch.load(output)
    assert list(state) == list(trained.state_dict())
    assert encode(state["11.weight"].numpy(), (0, 1)).shift.bits <= 4
    made = dscompress.compile_model(output, model=NET[1], input_shape=(1, 1, 8, 8), require_shift=True)
    assert made.shift_weights == 5 and made.kind == "state_dict"  # not taken for latent weights and rounded again


def test_a_checkpoint_keeps_its_shape(folder):
    result = call(
        folder / "best.tar", "--bits", 3, "--inputs", folder / "x.npy", "-o", folder / "new.tar", "--json", *NET
    )
    data = json.loads(result.stdout)
    assert data["held_out"]["inputs"] == 20 and len(data["layers"]) == 5 and data["bits_per_weight"] < 3.6
    saved = torch.load(folder / "new.tar")
    assert saved["epoch"] == 3 and "optimizer" not in saved
    assert encode(saved["state_dict"]["module.11.weight"].numpy(), (0, 1)).shift.bits <= 3


def test_a_training_checkpoint_still_exports_alone(folder, scans):
    from dscompress.models.digits import small_mobilenet

    torch.manual_seed(0)
    card = checkpoint.Card("small_mobilenet", {"width": 4}, input_shape=(1, 1, 8, 8))
    checkpoint.save(folder / "trained.pt", checkpoint.pack(card, small_mobilenet(width=4)))
    result = call(folder / "trained.pt", "--inputs", "digits", "--samples", 70, "-o", folder / "trained_4bit.pt")
    assert result.exit_code == 0, result.stderr
    assert dscompress.compile_model(folder / "trained_4bit.pt", require_shift=True).kind == "training checkpoint"


def test_a_folder_of_images_and_what_was_skipped(folder):
    result = call(
        folder / "net.pt",
        "--naive",
        "--inputs",
        folder / "images",
        "--preprocess",
        "digits",
        "-o",
        folder / "naive.pt",
        *NET,
    )
    assert result.exit_code == 0, result.stderr
    assert "1 image was skipped: 010.png" in result.stderr


def test_a_large_jpeg_is_noted(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dsruntime.image.MOST_BYTES", 64 * 64 * 2 + 16 * 64)
    for index in range(8):
        Image.fromarray(np.full((96, 128), 10 * index, np.uint8)).save(tmp_path / f"{index}.jpg")
    result = call(
        folder / "net.pt", "--naive", "--inputs", tmp_path, "--preprocess", "digits", "-o", tmp_path / "naive.pt", *NET
    )
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count(" pixels are decoded at 1/") == 8 and "UserWarning" not in result.stderr
    assert f"note: {tmp_path / '0.jpg'}: 96 x 128 pixels" in result.stderr


def test_sensitivity_writes_nothing(folder):
    before = sorted(folder.iterdir())
    result = call(folder / "net.pt", "--sensitivity", "--inputs", folder / "x.npy", "--samples", 64, *NET, "--json")
    data = json.loads(result.stdout)
    assert [layer["name"] for layer in data["layers"]] == ["0", "4", "7", "11", "13"]
    assert [choice["bits"] for choice in data["layers"][0]["choices"]] == [2, 3, 4, 5, None]
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["--bits", "6"], 2, "6 is not 2 to 5"),
        (["--target-bpw", "3", "--target-bytes", "9"], 2, "two targets"),
        (["--target-bpw", "3", "--bits", "4"], 2, "leave --bits"),
        (["--naive", "--without", "bias"], 2, "--naive"),
        (["--layer-bits", "fc"], 2, "LAYER=BITS"),
        (["--inputs", "nowhere"], 3, "no such folder or file"),
        (["--inputs", "{folder}/empty"], 3, "no image in it"),
        (["--inputs", "{folder}/images"], 3, "--preprocess"),
        (["--inputs", "{folder}/images", "--preprocess", "imagenet"], 3, "input"),
        (["--inputs", "{folder}/net.pt"], 3, "damaged"),
        (["--target-bpw", "1"], 3, "at least 2"),
        (["-o", "{folder}/no/such/net.pt"], 3, "does not exist"),
    ],
)
def test_mistakes(folder, arguments, code, says):
    given = [argument.format(folder=folder) for argument in arguments]
    defaults = [] if "--inputs" in given else ["--inputs", folder / "x.npy", "--samples", 64]
    output = [] if "-o" in given else ["-o", folder / "never.pt"]
    result = call(folder / "net.pt", *defaults, *given, *output, *NET)
    assert result.exit_code == code and says in result.stderr, result.stderr
    assert not (folder / "never.pt").exists()


def test_other_files_are_refused(folder):
    (folder / "net.onnx").write_bytes(b"\x08\x08\x3a\x00")
    result = call(folder / "net.onnx", "--inputs", folder / "x.npy")
    assert result.exit_code == 3 and "ONNX" in result.stderr and "PyTorch model" in result.stderr
    result = call(folder / "net.pt", "--inputs", folder / "x.npy")
    assert result.exit_code == 3 and "dscompress convert" in result.stderr and "--model" in result.stderr


def test_powers_of_two_are_not_converted_again(folder):
    from torch import nn

    from dscompress.nn import ShiftConv2d, ShiftLinear

    net = nn.Sequential(ShiftConv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), ShiftLinear(144, 10)).eval()
    torch.save(net.state_dict(), folder / "shift.pt")
    torch.save(net, folder / "whole_shift.pt")
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), folder / "shift.pt2")
    given = ["--inputs", folder / "x.npy", "-o", folder / "never.pt"]
    for source, options, says in [
        ("shift.pt", [], "shift layers (0, 3), whose weights are powers of two already"),
        ("shift.pt", NET, "shift layers (0, 3), whose weights are powers of two already"),
        ("whole_shift.pt", ["--trust-pickle", *NET[2:]], "the weights of all its 2 layers are powers of two already"),
        ("shift.pt2", [], "the weights of all its 2 layers are powers of two already"),
    ]:
        result = call(folder / source, *given, *options)
        assert result.exit_code == 3 and says in result.stderr and "export" in result.stderr, result.stderr
    mixed = nn.Sequential(ShiftConv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
    _, report = ptq.convert(torch.export.export(mixed, (torch.zeros(2, 1, 8, 8),)), np.load(folder / "x.npy")[:16])
    assert [(left.name, left.reason) for left in report.left] == [("0", "its weights are powers of two already")]
    assert [layer.name for layer in report.layers] == ["3"]


def test_the_commands_list_is_the_librarys():
    assert list(ptq.INGREDIENTS) == list(INGREDIENTS)


def test_sensitivity_takes_no_choice_of_bits(folder):
    result = call(folder / "net.pt", "--sensitivity", "--bits", 4, "--inputs", folder / "x.npy", *NET)
    assert result.exit_code == 2 and "leave --output, --bits" in " ".join(result.stderr.split())
