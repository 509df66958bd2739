"""What was measured on: the GPU, its driver and clocks, and the versions of everything."""

from __future__ import annotations

import datetime
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("dscompress", "pycuda", "cuda-bindings", "nvidia-cuda-nvrtc", "torch", "numpy")
FIELDS = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu,memory.total"


def describe(driver) -> dict:
    return {
        "date": datetime.date.today().isoformat(),
        "gpu": driver.device,
        "architecture": driver.architecture,
        "multiprocessors": driver.multiprocessors,
        "nvidia-smi": nvidia_smi(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
    }


def nvidia_smi() -> dict:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    command = [program, f"--query-gpu={FIELDS}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    first = (done.stdout.splitlines() or [""])[0]
    return dict(zip(FIELDS.split(","), (field.strip() for field in first.split(",")), strict=False))


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
