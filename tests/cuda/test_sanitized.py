"""All kernel tests again with AddressSanitizer and UndefinedBehaviorSanitizer, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT_OF_BOUNDS = """
import numpy as np
from dsruntime.backends.cuda.emulation import library
from dsruntime.backends.cuda.kernels.relu import relu
x = np.zeros(1000, np.float16)
y = np.zeros(999, np.float16)
for launch in relu(x.ctypes.data, y.ctypes.data, 1000):
    library("relu").launch(launch)
"""


def sanitized(*command):
    found = [runtime_of(name) for name in ("libasan.so", "libubsan.so")]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(found),
        "ASAN_OPTIONS": "detect_leaks=0",
        "DSC_EMULATION_SANITIZE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True)


def runtime_of(name: str) -> str:
    compiler = os.environ.get("CXX", "g++")
    asked = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    path = asked.stdout.strip()
    if not os.path.isabs(path):
        pytest.skip(f"{compiler} has no {name}")
    return path


def test_finds_a_write_past_the_end():
    done = sanitized("-c", OUT_OF_BOUNDS)
    assert done.returncode and "heap-buffer-overflow" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("tests", ["kernels", "test_ops.py"])
def test_kernels_are_clean(tests):
    done = sanitized("-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", "-o", "addopts=", str(HERE / tests))
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
