"""dsf_generated.py and dsf_generated.h are what flatc makes of the schema today."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = [ROOT / "runtime/dsruntime/dsf_generated.py", ROOT / "runtime/libdsf/generated/dsf_generated.h"]


def test_what_the_schema_generates_is_current(tmp_path):
    done = subprocess.run([ROOT / "tools" / "generate.sh", tmp_path], text=True, capture_output=True)
    if done.returncode == 4:  # no flatc, or another version of it
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    for kept in KEPT:
        assert (tmp_path / kept.name).read_text() == kept.read_text(), "run tools/generate.sh"
