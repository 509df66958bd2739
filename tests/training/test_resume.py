"""A run that was stopped goes on as if it had not been: the same bits, whether it was told to stop or killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from dscompress import checkpoint
from dscompress.errors import CompileError, TrainingError
from dscompress.training import Watcher, in_memory, train
from tests.cli.conftest import ROOT
from tests.support.signals import heed_interrupts
from tests.training.conftest import bars

ARGUMENTS = ["digits", "--held-out", "0.7", "--epochs", "5", "--bits", "4", "--rounding", "stochastic", "--device",
             "cpu", "--model", "small_mobilenet", "--model-args", '{"width": 4}']  # fmt: skip
SMALL = {"model": "small_mobilenet", "model_args": {"width": 4}, "method": "q", "device": "cpu"}


def weights(path):
    return checkpoint.load(path)["state_dict"]


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": 0} for line in lines]


def same(one, two) -> bool:
    return list(one) == list(two) and all(torch.equal(one[key], two[key]) for key in one)


def started(folder, *more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    command = [sys.executable, "-m", "dscompress", "train", *ARGUMENTS, "-o", str(folder), *more]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                            preexec_fn=heed_interrupts)  # fmt: skip


def wait_for_epochs(folder, count, process):
    """Returns as soon as that many epochs are finished."""
    until = time.monotonic() + 100
    while time.monotonic() < until and process.poll() is None:
        metrics = folder / "metrics.jsonl"
        if metrics.exists() and len(metrics.read_text().splitlines()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {count} epochs: {process.stderr.read() if process.poll() is not None else 'too slow'}")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = started(folder)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    return folder


def test_killed_and_resumed_gives_the_same_bits(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = started(folder)
    wait_for_epochs(folder, 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = checkpoint.load(folder / "last.pt")["training"]["epoch"]
    assert 2 <= finished < 5

    process = started(folder, "--resume")
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert f"resumed after epoch {finished}" in stderr and f"epoch {finished + 1}/5" in stderr
    assert same(weights(folder / "last.pt"), weights(uninterrupted / "last.pt"))
    assert same(weights(folder / "best.pt"), weights(uninterrupted / "best.pt"))
    assert metrics(folder) == metrics(uninterrupted) and len(metrics(folder)) == 5


def test_interrupted_says_how_to_go_on(tmp_path):
    folder = tmp_path / "run"
    process = started(folder)
    wait_for_epochs(folder, 1, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr
    assert "repeat the command with --resume" in stderr and str(folder / "last.pt") in stderr
    assert checkpoint.load(folder / "last.pt")["training"]["epoch"] >= 1
    assert (folder / "curves.png").exists()


@pytest.mark.parametrize("method, setting", [("ps", {}), ("s3", {"scale": "trained"}), ("float", {})])
def test_every_state_is_saved(data, tmp_path, method, setting):
    """Stopped after the first epoch of three by an error, in one process."""

    class Stop(Exception):
        pass

    def stop(training):
        if training.epoch == 1:
            raise Stop

    wanted = {**SMALL, "method": method, "bits": 3, "setting": setting, "overrides": {"epochs": 3}}
    train(data, tmp_path / "whole", **wanted)
    with pytest.raises(Stop):
        train(data, tmp_path / "stopped", **wanted, watcher=Watcher(epoch=stop))
    result = train(data, tmp_path / "stopped", **wanted, resume=True)
    assert same(weights(tmp_path / "whole" / "last.pt"), weights(tmp_path / "stopped" / "last.pt"))
    assert len(result.history.epochs) == 3


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(data, folder, **SMALL, overrides={"epochs": 1})
    return folder


def test_a_finished_run_resumed_stays(data, finished):
    before = (finished / "last.pt").read_bytes()
    result = train(data, finished, **SMALL, overrides={"epochs": 1}, resume=True)
    assert (finished / "last.pt").read_bytes() == before and len(result.history.epochs) == 1


def test_resume_where_nothing_is_starts(data, tmp_path):
    assert train(data, tmp_path / "new", **SMALL, overrides={"epochs": 1}, resume=True).history.epochs


def test_a_run_is_not_overwritten(data, finished):
    with pytest.raises(TrainingError, match="holds a training run already; add --resume"):
        train(data, finished, **SMALL, overrides={"epochs": 1})


@pytest.mark.parametrize("changes, says", [
    ({"overrides": {"epochs": 2}}, "epochs 1 then, 2 now"),
    ({"seed": 3}, "seed 0 then, 3 now"),
    ({"method": "ps"}, "layers"),
    ({"model": "small_resnet"}, "model 'small_mobilenet' then, 'small_resnet' now"),
    ({"data": in_memory(bars(30, 5), bars(9, 6), ["row", "column", "diagonal"])}, "data "),
])  # fmt: skip
def test_another_run_is_not_resumed(data, finished, changes, says):
    with pytest.raises(TrainingError, match=f"was made with other settings: .*{says}"):
        train(**{**SMALL, "data": data, "output": finished, "overrides": {"epochs": 1}, **changes}, resume=True)


def test_best_pt_is_not_resumed_and_damage_is_named(data, finished, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.pt").write_bytes((finished / "best.pt").read_bytes())
    with pytest.raises(TrainingError, match="holds a network, but not the state of its training.*--weights"):
        train(data, folder, **SMALL, overrides={"epochs": 1}, resume=True)
    whole = (finished / "last.pt").read_bytes()
    (folder / "last.pt").write_bytes(whole[:5000])
    with pytest.raises(CompileError, match="last.pt: is a damaged or truncated ZIP archive"):
        train(data, folder, **SMALL, overrides={"epochs": 1}, resume=True)
    largest = max(weights(finished / "last.pt").values(), key=torch.numel)
    at = whole.index(largest.numpy().tobytes())
    (folder / "last.pt").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])  # torch.load takes this
    with pytest.raises(CompileError, match="last.pt: is damaged: the checksum of data/"):
        train(data, folder, **SMALL, overrides={"epochs": 1}, resume=True)
    values = torch.load(finished / "last.pt", weights_only=True)
    values["training"]["history"] = {"epochs": [{"epoch": 1}], "skipped": []}
    torch.save(values, folder / "last.pt")
    with pytest.raises(TrainingError, match="last.pt: is damaged .*--weights"):
        train(data, folder, **SMALL, overrides={"epochs": 1}, resume=True)
