"""dscompress verify: exit code 0 for the same model, 1 for another, and the layer's name."""

import json
import math
from types import SimpleNamespace

import pytest

from dscompress.cli.verify import noisiest, of_bound
from tests.support.small_model import write_onnx
from tests.verify.test_verify import flip_sign


def test_the_same_model(call, files):
    result = call("verify", files.dsf, files.onnx, "--layers")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"same: {files.dsf} is {files.onnx}"
    assert "top-1 agreement 100.00%" in result.output and "second_relu" in result.output


@pytest.mark.parametrize(
    "error, ratio, within, says",
    [
        (0.0, 0.0, True, ""),
        (1e-6, 0.0321, True, "0.032"),
        (1e-6, 0.9999, True, "passed on"),
        (1e-6, 1.0, True, "passed on"),
        (1e-6, 1.0001, False, "1"),
        (1e-3, 250.0, False, "2.5e+02"),
    ],
)
def test_a_layer_that_adds_no_error_does_not_look_as_if_it_were_at_its_bound(error, ratio, within, says):
    assert of_bound(SimpleNamespace(error=error, ratio=ratio, within=within)) == says


def test_a_tampered_model(call, files, tmp_path):
    path = flip_sign(files, "second.weight", 100, tmp_path / "bad.dsf")
    result = call("verify", path, files.onnx)
    assert result.exit_code == 1
    assert "weight 'second.weight' of 'second' (conv)" in result.output
    assert "the first layer out of its bound is 'second' (conv)" in result.output


def test_json(call, files, tmp_path):
    data = json.loads(call("verify", files.dsf, files.onnx, "--json").stdout)
    assert data["same"] is True and data["weights"] == 5 and len(data["layers"]) == 7
    result = call("verify", flip_sign(files, "first.weight", 0, tmp_path / "bad.dsf"), files.onnx, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first_bad"]["node"] == "first"


def test_what_is_benchmarked_can_be_verified(call, files):
    """The same options as bench, and each layer states what it was computed in."""
    data = json.loads(call("verify", files.dsf, files.onnx, "--memory", "low", "--threads", 2, "--json").stdout)
    assert data["same"] and (data["backend"], data["memory"], data["precision"]) == ("cpu", "low", "float32")
    assert data["layers"][0]["arithmetic"] == {
        "activation_type": "float32",
        "sum_type": "float32",
        "algorithm": "direct",
    }
    refused = call("verify", files.dsf, files.onnx, "--backend", "reference", "--precision", "bf16")
    assert refused.exit_code != 0 and "reference: precision bf16" in refused.stderr


def test_another_checkpoint_is_a_sentence(call, files, tmp_path):
    write_onnx(tmp_path / "other.onnx", seed=5)
    result = call("verify", files.dsf, tmp_path / "other.onnx")
    assert result.exit_code == 1
    assert "another checkpoint of the same network" in result.output
    assert "warning: " in result.stderr and "sha256" in result.stderr


def test_inputs_from_a_file(call, files):
    assert "(2 inputs)" in call("verify", files.dsf, files.onnx, "--inputs", files.array).output
    assert "(1 input)" in call("verify", files.dsf, files.onnx, "--inputs", files.array, "--samples", 1).output


def test_a_source_that_is_not_there(call, files, tmp_path):
    result = call("verify", files.dsf, tmp_path / "none.onnx")
    assert result.exit_code == 3
    assert "none.onnx" in result.stderr


@pytest.mark.parametrize(
    "snrs, says",
    [
        ([], ""),
        ([math.inf, math.inf], "; every value is equal"),
        ([math.inf, 120.0], "; lowest signal to noise: 120.0 dB at b"),
    ],
)
def test_what_is_said_about_the_noisiest_layer(snrs, says):
    assert noisiest([SimpleNamespace(snr=snr, node=node) for snr, node in zip(snrs, "ab", strict=False)]) == says


def test_another_input_shape_is_drawn_alike_on_both_sides(call, files, tmp_path):
    write_onnx(tmp_path / "small.onnx", seed=0)
    result = call("verify", files.dsf, tmp_path / "small.onnx", "--no-dynamic-batch", "--input-shape", "2,3,8,8")
    assert "[" not in result.output.splitlines()[-1]
