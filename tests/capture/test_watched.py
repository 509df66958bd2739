"""Exports of every kind of source write nothing but their output, start no program, connect to nothing."""

import json
import platform
import signal
import subprocess
import sys

import pytest
import torch

from dscompress import checkpoint
from dscompress.nn import bake
from dscompress.torchfile.safetensors_file import as_bytes
from tests.capture import models
from tests.capture.test_onnx import conv
from tests.capture.test_torchscript import Writes, WritesOnLoad
from tests.capture.watched import SECCOMP

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in SECCOMP, reason="the filter is for Linux on x86-64 and AArch64"
)
NET = ["--model", "tests.capture.models:ps_net", "--input-shape", models.SHAPE]


def watched(folder, *commands: list[str]) -> subprocess.CompletedProcess:
    process = [sys.executable, "-B", "-m", "tests.capture.watched", str(folder)]
    return subprocess.run(process, input=json.dumps(commands), capture_output=True, text=True, timeout=500)


def sources(folder) -> list[list[str]]:
    """A file of each kind, and the options that its export takes."""
    net, x = models.ps_net().eval(), torch.zeros(2, 1, 8, 8)
    torch.export.save(torch.export.export(net, (x,)), folder / "net.pt2")
    conv(folder).rename(folder / "net.onnx")
    torch.save(net.state_dict(), folder / "weights.pt")
    torch.save(net.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    card = checkpoint.Card("small_mobilenet", {"width": 4}, input_shape=(1, 1, 8, 8))
    trained = checkpoint.build_float(card.model, card.model_args, "test")
    checkpoint.save(folder / "trained.pt", checkpoint.pack(card, trained))
    torch.save(net, folder / "whole.pt")
    torch.jit.script(bake(net)).save(folder / "script.pt")
    (folder / "m.safetensors").write_bytes(as_bytes(net.state_dict(), {}))
    torch.save({"model": net.state_dict(), "ema": {"module": net.state_dict()}}, folder / "both.pt")
    return [["m.safetensors", *NET], ["both.pt", *NET, "--weights-key", "ema.module"], ["net.pt2"], ["net.onnx"],
            ["weights.pt", *NET], ["old.pt", *NET], ["trained.pt"], ["whole.pt", *NET],
            ["whole.pt", "--trust-pickle", "--input-shape", models.SHAPE],
            ["script.pt", "--trust-pickle", "--input-shape", models.SHAPE]]  # fmt: skip


def hostile(folder) -> list[list[str]]:
    """Programs that would write the file `marker`, without --trust-pickle."""
    (folder / "marker").write_bytes(b"untouched")
    for make in (Writes, WritesOnLoad):
        torch.jit.script(make()).save(folder / f"{make.__name__}.pt")
    return [["Writes.pt", "--input-shape", "1,4"], ["WritesOnLoad.pt", "--input-shape", "1,4"]]


def test_exports_touch_nothing_but_their_output(tmp_path):
    good, bad = sources(tmp_path), hostile(tmp_path)
    commands = [["export", *words, "-o", f"{index}.dsf"] for index, words in enumerate(good + bad)]
    before = {path.name for path in tmp_path.iterdir()}
    process = watched(tmp_path, *commands)
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads(process.stdout.splitlines()[-1])
    assert found == {"codes": [0] * len(good) + [3] * len(bad), "left": []}, process.stderr
    after = {path.name for path in tmp_path.iterdir()}
    assert after - before == {f"{index}.dsf" for index in range(len(good))}
    assert (tmp_path / "marker").read_bytes() == b"untouched"


@pytest.mark.parametrize("attack", [
    "open('marker', 'a')",
    "import socket; socket.socket(socket.AF_UNIX).connect('nowhere')",
    "import os; os.execv('/bin/true', ['true'])",
    "import torch; forbid(); torch.from_file('marker', shared=True, size=8, dtype=torch.uint8)",
])  # fmt: skip
def test_the_watch_sees(tmp_path, attack):
    first = "" if "forbid" in attack else "forbid(); "
    code = f"from tests.capture.watched import forbid; {first}{attack}; print('alive')"
    process = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
    assert process.returncode == -signal.SIGSYS and "alive" not in process.stdout
