"""dscompress run: images, folders and arrays, good ones and bad ones."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import dsruntime
from tests.support.signals import heed_interrupts
from tests.support.small_model import LABELS


def test_an_image_becomes_labelled_predictions(call, files):
    result = call("run", files.dsf, files.image, "--top", 3)
    assert result.exit_code == 0, result.stderr
    name, *lines = result.output.splitlines()
    assert name == str(files.image)
    assert len(lines) == 3 and all(line.split()[0] in LABELS for line in lines)


def test_json_has_the_session_s_predictions(call, files):
    data = json.loads(call("run", files.dsf, files.image, "--json").stdout)
    expected = dsruntime.load(files.dsf).predict(files.image)
    found = data["results"][0]["predictions"]
    assert [p["label"] for p in found] == [p.label for p in expected]
    assert [p["score"] for p in found] == [p.score for p in expected]
    assert set(data) == {"model", "name", "backend", "threads", "results", "failed"}


def test_an_array_is_summed_up_and_written(call, files, tmp_path):
    output = tmp_path / "y.npy"
    result = call("run", files.dsf, files.array, "--output", output)
    assert result.exit_code == 0, result.stderr
    assert "float32 (2, 10)" in result.output
    expected = dsruntime.load(files.dsf).run(np.load(files.array))
    np.testing.assert_array_equal(np.load(output), expected)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_a_folder_goes_through_in_batches_and_bad_images_are_named(call, files, tmp_path, batch):
    for i in range(5):
        shutil.copy(files.image, tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("left out")
    result = call("run", files.dsf, tmp_path, "--batch", batch, "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 3
    assert [r["input"][-5:] for r in data["results"]] == ["0.png", "1.png", "3.png", "4.png"]
    assert [f["input"][-5:] for f in data["failed"]] == ["2.png"]
    assert "2.png" in result.stderr and "1 input failed" in result.stderr


def test_every_backend_gives_the_same_labels(call, files):
    found = [
        json.loads(call("run", files.dsf, files.image, "--json", "--backend", backend).stdout)
        for backend in ("cpu", "reference")
    ]
    first, second = ([p["label"] for p in data["results"][0]["predictions"]] for data in found)
    assert first == second


def test_no_gpu_is_exit_code_4(call, files):
    result = call("run", files.dsf, files.image, "--backend", "cuda")
    assert result.exit_code == 4
    assert "→" in result.stderr


def bad_arrays(folder):
    good = np.zeros((2, 1, 8, 8), "f4")
    np.save(folder / "shape.npy", good[:, :, :7])
    np.save(folder / "dtype.npy", good.astype("f8"))
    np.save(folder / "object.npy", np.array([{}, None], object), allow_pickle=True)
    np.save(folder / "text.npy", np.array(["a", "b"]))
    np.savez(folder / "many.npz", good)
    np.save(folder / "whole.npy", good)
    whole = (folder / "whole.npy").read_bytes()
    (folder / "short.npy").write_bytes(whole[:-1])
    (folder / "header.npy").write_bytes(whole[:20])
    (folder / "huge.npy").write_bytes(whole.replace(b"(2, 1, 8, 8), }       ", b"(99999999, 1, 8, 8), }", 1))
    (folder / "hostile.npy").write_bytes(b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('true')\n")
    (folder / "empty.npy").write_bytes(b"")


@pytest.mark.parametrize(
    "name, says",
    [
        ("shape.npy", "(2, 1, 7, 8)"),
        ("dtype.npy", "float64"),
        ("object.npy", "damaged"),
        ("text.npy", "<U1"),
        ("many.npz", ".npz"),
        ("short.npy", "damaged"),
        ("header.npy", "damaged"),
        ("huge.npy", "huge.npy"),
        ("hostile.npy", "damaged"),
        ("empty.npy", "empty"),
        ("missing.npy", "no such file"),
    ],
)
def test_bad_arrays_are_refused_with_a_sentence(call, files, tmp_path, name, says):
    bad_arrays(tmp_path)
    result = call("run", files.dsf, tmp_path / name)
    assert result.exit_code == 3
    assert name in result.stderr and says in result.stderr


def test_an_empty_batch_is_run_like_any_other(call, files, tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 1, 8, 8), "f4"))
    result = call("run", files.dsf, tmp_path / "none.npy", "--output", tmp_path / "y.npy")
    assert result.exit_code == 0, result.stderr
    assert "float32 (0, 10)" in result.output and np.load(tmp_path / "y.npy").shape == (0, 10)
    data = json.loads(call("run", files.dsf, tmp_path / "none.npy", "--json").stdout)
    assert data["results"][0]["outputs"][0]["shape"] == [0, 10]


def test_nan_is_computed_through_and_shown(call, files, tmp_path):
    np.save(tmp_path / "nan.npy", np.full((1, 1, 8, 8), np.nan, "f4"))
    result = call("run", files.dsf, tmp_path / "nan.npy", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["results"][0]["outputs"][0]["nan"] == 10


def test_output_without_an_array_is_a_usage_error(call, files, tmp_path):
    assert call("run", files.dsf, files.image, "--output", tmp_path / "y.npy").exit_code == 2


def test_an_output_folder_that_is_not_there(call, files, tmp_path):
    result = call("run", files.dsf, files.array, "--output", tmp_path / "none" / "y.npy")
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr


def test_run_loads_no_torch_and_no_rich(process, files):
    done = process("run", files.dsf, files.image, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "dsruntime" in loaded
    assert not loaded & {"torch", "onnx", "onnxruntime", "onnx_ir", "onnxscript", "rich"}


def test_an_output_of_another_kind_is_refused_before_anything_runs(call, files, tmp_path):
    result = call("run", files.dsf, files.array, "--output", tmp_path / "y.txt")
    assert result.exit_code == 2 and ".npy" in result.stderr
    assert not (tmp_path / "y.txt").exists() and result.stdout == ""


def test_a_jpeg_that_is_decoded_smaller_is_said(call, files, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr("dsruntime.image.MOST_BYTES", 64 * 64 * 2 + 16 * 64)
    for name in ("a.jpg", "b.jpg"):
        Image.new("L", (128, 96), 77).save(tmp_path / name)
    result = call("run", files.dsf, tmp_path)
    assert result.exit_code == 0, result.stderr
    for name, line in zip(("a.jpg", "b.jpg"), result.stderr.splitlines(), strict=True):
        assert line.startswith(f"note: {tmp_path / name}: 96 x 128 pixels are decoded at 1/2 of that")
    assert call("run", "-q", files.dsf, tmp_path / "a.jpg").stderr == ""


def test_scores_are_shown_as_scores(call, files, tmp_path):
    """Without a probability where nothing says what the numbers mean; a sigmoid's own where the network ends in one."""
    import onnx

    import dscompress

    silent, sure = tmp_path / "silent.dsf", tmp_path / "sure.dsf"
    dscompress.compile_model(files.onnx, silent, preprocess="digits", labels=LABELS)
    model = onnx.load(files.onnx)
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(onnx.helper.make_node("Sigmoid", ["z"], ["y"]))
    onnx.save(model, tmp_path / "sure.onnx")
    dscompress.compile_model(tmp_path / "sure.onnx", sure, preprocess="digits", labels=LABELS)
    for path in (files.image, files.array):
        assert "%" not in call("run", silent, path).stdout and "%" in call("run", sure, path).stdout

    def predictions(model):
        return json.loads(call("run", model, files.image, "--json", "--top", 10).stdout)["results"][0]["predictions"]

    scores = {p["label"]: p["score"] for p in predictions(silent)}
    assert all(p["probability"] is None for p in predictions(silent))
    for p in predictions(sure):
        assert p["probability"] == p["score"] == pytest.approx(1 / (1 + np.exp(-scores[p["label"]])), rel=1e-5)


def test_embeddings_are_not_ranked(call, files, tmp_path):
    import dscompress

    dscompress.compile_model(files.onnx, tmp_path / "e.dsf", preprocess="digits", meaning="embedding")
    result = call("run", tmp_path / "e.dsf", files.image)
    assert result.exit_code == 3 and "embedding" in result.stderr
    assert len(call("run", tmp_path / "e.dsf", files.array).stdout.splitlines()) == 2


@pytest.mark.parametrize("code, arguments", [(3, ["missing.png"]), (130, ["x.npy"])])
def test_it_does_not_wait_for_weights_that_nobody_needs_any_more(code, arguments, files, tmp_path):
    """Packing them would take ten minutes here; it goes on while the command ends, after an error or Ctrl-C."""
    np.save(tmp_path / "x.npy", np.zeros((1, 1), np.float32))
    program = (
        "import os, signal, sys, threading, time\n"
        "from dsruntime import Model, session\n"
        "packing = threading.Event()\n"
        "def prepare(self, **settings):\n"
        "    packing.set()\n"
        "    time.sleep(600)\n"
        "def run(*settings, **more):\n"
        "    packing.wait()\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(600)\n"
        "Model.prepare, session.Session.run = prepare, run\n"
        "from dscompress.cli import main\n"
        "sys.argv = ['dscompress', 'run', *sys.argv[1:]]\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, files.dsf, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=heed_interrupts,
    )
    assert done.returncode == code, done.stderr
