"""cuda: says what this machine has. This release has no CUDA kernels, so asking for the backend is a BackendError."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

from dsruntime.errors import BackendError


def availability() -> tuple[bool, str]:
    return False, f"{', '.join(findings())}; this release has no CUDA kernels"


def open_runner(model, threads, options):
    raise BackendError("cuda", f"{', '.join(findings())}", "CUDA kernels, which this release does not have",
                       "use backend cpu")


def findings() -> list[str]:
    """PyCUDA, driver, devices: what is there and what is not."""
    pycuda = "PyCUDA is installed" if find_spec("pycuda") else "no PyCUDA"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return [pycuda, "no CUDA driver (libcuda.so.1)"]
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return [pycuda, "a CUDA driver but no device"]
    return [pycuda, f"a CUDA driver with {count.value} device{'s' if count.value > 1 else ''}"]
