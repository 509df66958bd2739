"""torchrun with two Gloo processes takes the steps that one process takes, and only the first writes."""

import json
import os
import subprocess
import sys

import pytest
import torch

from dscompress import checkpoint
from dscompress.training.world import World
from tests.cli.conftest import ROOT

PLAIN_NET = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3))
"""


TWO_PROCESSES = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def environment() -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "runtime")])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}


def run(command, folder, fine=True):
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) is fine, done.stderr
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same training by one process and by two, on 14 images by 4: the last batch, of 2, cannot be divided."""
    from tests.training.conftest import write_pictures

    folder = tmp_path_factory.mktemp("world")
    write_pictures(folder / "pictures", 18)
    (folder / "plain.py").write_text(PLAIN_NET)
    (folder / "pictures" / "row" / "00.png").write_bytes(b"no image")
    command = ["dscompress", "train", "pictures", "--model", "plain:net", "--method", "ps", "--bits", "4", "--json",
               "--batch", "4", "--epochs", "4", "--optimizer", "sgd", "--rate", "0.05", "--rotate", "5", "--device",
               "cpu", "--workers", "0"]  # fmt: skip
    one = run([*command, "-o", "one"], folder)
    two = run([*TWO_PROCESSES, *command, "-o", "two"], folder)
    return folder, one, two


def test_two_processes_take_the_steps_of_one(runs):
    folder, _, _ = runs
    one, two = (checkpoint.load(folder / name / "last.pt") for name in ("one", "two"))
    assert one["training"]["epoch"] == 4
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][key], value, rtol=2e-5, atol=2e-6)


def test_metrics_are_of_all_processes(runs):
    folder, _, _ = runs
    one, two = ([json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
                for name in ("one", "two"))  # fmt: skip
    for alone, shared in zip(one, two, strict=True):
        assert shared["loss"] == pytest.approx(alone["loss"], rel=1e-4)
        assert (shared["accuracy"], shared["validation_accuracy"]) == (alone["accuracy"], alone["validation_accuracy"])
        assert shared["skipped"] == alone["skipped"] == 1


def test_only_the_first_process_prints_and_writes(runs):
    folder, one, two = runs
    alone, shared = (json.loads(done.stdout)["best"] for done in (one, two))
    assert alone["validation_accuracy"] == shared["validation_accuracy"]
    assert two.stderr.count("epoch 1/4") == 1
    written = sorted(path.name for path in (folder / "two").iterdir())
    assert written == ["best.pt", "curves.png", "last.pt", "metrics.jsonl"]


def test_a_mistake_is_told_once(runs):
    folder, _, _ = runs
    command = ["dscompress", "train", "pictures", "--model", "plain:net", "-o", "two", "--resume", "--device", "cpu"]
    done = run([*TWO_PROCESSES, *command], folder, fine=False)
    assert done.stderr.count("was made with other settings") == 1 and "internal error" not in done.stderr


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 8, 32])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_are_the_batch(count, size):
    batch = torch.arange(count)
    shares = [World(rank, size).share(batch) for rank in range(size)]
    if count < 2 * size and size > 1:
        assert all(torch.equal(share, batch) for share in shares)
    else:
        assert torch.equal(torch.cat(shares), batch) and min(map(len, shares)) >= min(2, count)
