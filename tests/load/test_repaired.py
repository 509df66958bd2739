"""Every byte of a file set to several values, the checksum right: a typed error or a run within limits, no crash."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.load.small_model import small_model

ROOT = Path(__file__).resolve().parents[2]
VALUES = ("0", "1", "127", "255", "^1", "^128")
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_every_byte(part, tmp_path):
    data = small_model()
    (tmp_path / "small.dsf").write_bytes(data)
    edges = [len(data) * i // PARTS for i in range(PARTS + 1)]
    progress = tmp_path / "progress"
    command = [
        sys.executable,
        "-m",
        "tests.load.damage",
        str(tmp_path / "small.dsf"),
        str(edges[part]),
        str(edges[part + 1]),
        str(progress),
        *VALUES,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, f"byte and value {progress.read_text()}: exit {done.returncode}\n{done.stderr[-3000:]}"
    counts = json.loads(done.stdout)
    assert sum(counts.values()) > 3 * (edges[part + 1] - edges[part]), counts
    assert counts["refused"] > 0, counts
