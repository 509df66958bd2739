"""A sample of the allocations of libdsf fails; tools/out_of_memory.py lets every one fail."""

import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.dsf_files import build

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler"),
    pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs glibc"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    spec = importlib.util.spec_from_file_location("out_of_memory", ROOT / "tools" / "out_of_memory.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool.compiled(tmp_path_factory.mktemp("program"))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_failure_is_reported_and_does_no_harm(program, threads):
    models = [ROOT / "schema" / "golden" / "v1.0.dsf", ROOT / "tools" / "fuzz" / "corpus" / "conv_0.dsf"]
    result = subprocess.run([program, str(threads), "5", *models], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[0]) > 500


def test_starting_threads_fails(program, tmp_path):
    """Every allocation of a model that has few: most of them are the session's threads."""
    path = tmp_path / "relu.dsf"
    path.write_bytes(
        build(
            values=[{"name": "x", "shape": [-1, 3]}, {"name": "y", "shape": [-1, 3]}],
            nodes=[{"op": "relu", "inputs": ["x"], "outputs": ["y"]}],
            inputs=["x"],
            outputs=["y"],
        )
    )
    result = subprocess.run([program, "8", "1", path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
