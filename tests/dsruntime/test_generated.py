"""dsf_generated.py is what flatc makes of the schema today."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("flatc") is None, reason="no flatc (apt-get install flatbuffers-compiler)")
def test_generated_python_is_current(tmp_path):
    subprocess.run([ROOT / "tools" / "generate.sh", tmp_path / "fresh.py"], check=True)
    fresh = (tmp_path / "fresh.py").read_text()
    assert fresh == (ROOT / "runtime" / "dsruntime" / "dsf_generated.py").read_text(), "run tools/generate.sh"
