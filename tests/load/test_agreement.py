"""cpu and the reference agree on whatever is accepted; the comparison that says so finds what is wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dsruntime import Model, ModelError
from dsruntime.backends.reference import ops
from tests.load.agreement import check_agreement
from tests.support.cases import Case, floats
from tests.support.dsf_files import build
from tests.support.one_node import one_node_file

ROOT = Path(__file__).resolve().parents[2]


def test_a_campaign_of_changed_files_finds_nothing(tmp_path):
    command = [sys.executable, ROOT / "tools/fuzz/differ.py", "--runs", "1000", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1,000 files" in done.stdout and "agreed" in done.stdout and "refused" in done.stdout


@pytest.mark.parametrize(
    "op, wrong",
    [
        ("relu", lambda x: np.maximum(x, 0) * np.float32(1 + 1e-6)),
        ("clip", lambda x, **_: np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf)),
        ("exp", lambda x: np.minimum(np.exp(x), np.float32(3e38))),
    ],
)
def test_a_wrong_answer_is_a_finding(op, wrong, monkeypatch):
    data = one_node_file(op, Case("wrong", (floats(*range(40)),)))
    feeds = [np.random.default_rng(seed) for seed in range(6)]  # some of them have infinities and NaN
    assert {check_agreement(data, numbers) for numbers in feeds} == {"agreed"}
    monkeypatch.setitem(ops.OPS, op, wrong)
    with pytest.raises(AssertionError, match=op):
        for seed in range(6):
            check_agreement(data, np.random.default_rng(seed))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_shape_that_is_declared_for_other_batch_sizes_is_refused(backend):
    """x[:, :3] of (N, 2N) has three columns from N = 2 on."""
    model = Model.open(
        build(
            values=[{"name": "x", "shape": [-1, -2]}, {"name": "y", "shape": [-1, 3]}],
            nodes=[
                {
                    "op": "slice",
                    "name": "cut",
                    "inputs": ["x"],
                    "outputs": ["y"],
                    "attributes": {"starts": [0], "ends": [3], "axes": [1], "steps": [1]},
                }
            ],
            inputs=["x"],
            outputs=["y"],
        )
    )
    session = model.session(backend)
    assert session.run(np.zeros((2, 4), np.float32)).shape == (2, 3)
    with pytest.raises(ModelError, match=r"'cut' \(slice\).* declared as float32 \(1, 3\) at batch size 1"):
        session.run(np.zeros((1, 2), np.float32))
