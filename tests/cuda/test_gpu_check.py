"""tools/gpu_check.py on the emulated GPU: everything but the meaning of its times."""

import functools
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dscompress.torchmodel.torchvision_models import with_torchvision
from dsruntime.backends.cuda.emulated_driver import EmulatedDriver
from tests.cuda import networks
from tests.cuda.networks import compiled
from tests.cuda.test_networks import rounded_run
from tools import gpu_check
from tools.bench.paper_gpu import Layer
from tools.gpu import correctness, report, timings
from tools.gpu.parts import Budget, Part

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver()


def test_every_part_runs_and_is_written(driver, tmp_path, monkeypatch):
    def breaks(driver, budget):
        raise ValueError("no such luck")

    def fails(driver, budget):
        with pytest.raises(ValueError, match="such"):
            pass

    tiny_zoo(monkeypatch)
    found = gpu_check.check(
        driver,
        tmp_path,
        Budget(600),
        [
            Part("kernels", functools.partial(correctness.kernels, ops=["relu", "top_k", "concat"]), 1, 99),
            Part("networks", functools.partial(correctness.networks, names=["residual"]), 1, 99),
            Part("fully connected", functools.partial(timings.fully_connected, sizes=(64, 32, (1, 2)), runs=5), 1, 99),
            Part("paper", functools.partial(timings.paper, layers=[Layer(3, 8, 4)], rounds=2), 1, 99),
            Part("models", functools.partial(timings.models, models=(("tiny", (1, 2)), ("none", (1,))), runs=2), 1, 99),
            Part("zoo", functools.partial(correctness.zoo, names=["tiny", "none"]), 1, 99),
            Part("sanitizer", correctness.sanitizer, 1, 99),
            Part("long", breaks, 10_000, 99),
            Part("broken", breaks, 1, 99),
            Part("failed", fails, 1, 99),
            Part("endless", lambda driver, budget: time.sleep(60), 1, 0.2),
        ],
    )
    parts = found["parts"]
    assert parts["kernels"]["correct"] and parts["kernels"]["cases"] > 20, parts["kernels"]
    assert parts["networks"] == {"correct": True, "networks": {"residual": "agrees"}}
    rows = parts["fully connected"]["rows"]
    assert [row["batch"] for row in rows] == [1, 2] and all(row["ours, µs"] > 0 for row in rows)
    assert any("not measured" in str(value) for value in rows[0].values())  # this torch has no CUDA
    assert [row["buffers"] for row in parts["paper"]["rows"]] == ["allocating in every call", "keeping the buffers"]
    assert [row["model"] for row in parts["models"]["rows"]] == ["tiny", "tiny", "none"]
    assert all(row["ours, µs"] > 0 for row in parts["models"]["rows"][:2])
    assert "AttributeError" in parts["models"]["rows"][2]["broke"] and not parts["models"]["correct"]
    assert parts["zoo"]["models"]["tiny"]["within"] and "broke" in parts["zoo"]["models"]["none"]
    assert "DID NOT RAISE" in parts["failed"]["broke"] and "stopped after" in parts["endless"]["broke"]
    assert "not run" in parts["sanitizer"] and "left out" in parts["long"]
    assert "no such luck" in parts["broken"]["broke"] and not found["correct"]
    (written,) = tmp_path.glob("*.json")
    assert json.loads(written.read_text()) == json.loads(json.dumps(found))
    page = written.with_suffix(".md").read_text()
    assert "NOT correct" in page and "| model | batch |" in page and "no such luck" in page


def tiny_zoo(monkeypatch):
    """tools/zoo.py's models and photographs, small enough for the emulation."""
    zoo = importlib.import_module("tools.zoo")
    monkeypatch.setattr(zoo, "SIZE", 32)
    monkeypatch.setattr(zoo, "METHOD_OF", {"tiny": "ps", "none": "ps"})
    definitions = with_torchvision(lambda: importlib.import_module("torchvision.models"))
    monkeypatch.setattr(definitions, "tiny", networks.residual, raising=False)
    monkeypatch.setattr(timings, "IMAGE", (3, 32, 32))
    monkeypatch.setattr(timings, "REPEATS", 4)


class Anything:
    """Takes every call and gives itself: a stream, an event, a graph."""

    def __init__(self, *_, **__) -> None: ...

    def __getattr__(self, name):
        return lambda *_, **__: 1.5 if name == "elapsed_time" else self

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None: ...


def test_the_peers_code_runs(monkeypatch):
    """torch on the CPU, its CUDA calls answered by nobody: names, shapes and counts are right."""
    for name in ("Stream", "stream", "current_stream", "CUDAGraph", "graph", "Event"):
        monkeypatch.setattr(torch.cuda, name, Anything)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch, "compile", lambda net: net)
    monkeypatch.setattr(timings, "DEVICE", "cpu")
    for net, shape in ((torch.nn.Linear(8, 4), (8,)), (torch.nn.Conv2d(3, 4, 3), (3, 8, 8))):
        found = timings.torch_times(net, shape, 1, 3, Budget(600))
        assert found == {
            "torch eager": 1.5e-3 / timings.LEAST_COPIES,
            "torch graph": 1.5e-3 / timings.REPEATS,
            "torch.compile": 1.5e-3 / timings.REPEATS,
        }


def test_copies_are_twice_the_cache():
    assert timings.copies(7_300_000, 50 << 20) * 7_300_000 >= 2 * (50 << 20)
    assert timings.copies(64 << 20, 50 << 20) == timings.LEAST_COPIES
    assert timings.copies(1, 50 << 20) == timings.MOST_COPIES and timings.copies(1, 0) == timings.LEAST_COPIES
    assert timings.repeats(4) == 20 and timings.repeats(15) == 30


def test_a_wrong_kernel_is_found(driver, monkeypatch):
    from dsruntime.backends.cuda.lower import OPS, pointwise

    monkeypatch.setitem(OPS, "tanh", lambda builder, group: pointwise.unary(builder, set_op(group, "sigmoid")))
    found = correctness.kernels(driver, None, ops=["tanh"])
    assert not found["correct"] and "tanh" in found["failures"][0]


def set_op(group, op):
    group.nodes[0] = group.node._replace(op=op)
    return group


def test_a_networks_distance_is_judged(driver):
    model, x = compiled("residual")
    expected = model.session("reference").run(x)
    noise = float(np.abs(rounded_run(model, x) - expected).max())
    assert correctness.compared(driver, model, x, expected, noise)["within"]
    assert not correctness.compared(driver, model, x, expected + 20 * noise, noise)["within"]


def test_the_page_survives_odd_text():
    assert report.text({"a": [1.23456, "x|y"]}) == "a: 1.235; x\\|y"


def test_without_a_gpu_it_says_so(tmp_path):
    done = subprocess.run([sys.executable, ROOT / "tools/gpu_check.py"], capture_output=True, text=True, cwd=tmp_path)
    if done.returncode != 4:
        pytest.skip("this machine has a GPU")
    assert done.stdout.startswith("No GPU to check: ") and done.stdout.count("\n") == 1
