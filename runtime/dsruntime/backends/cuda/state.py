"""What this machine has of CUDA, one finding for each part. Nothing here raises; of CUDA only cuInit is called."""

from __future__ import annotations

import ctypes
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from dsruntime.backends.cuda import cache, compile
from dsruntime.backends.cuda.driver import EMULATION, wants_emulation


def availability() -> tuple[bool, str]:
    """Whether a session can be opened, and why not."""
    if wants_emulation():
        return True, f"emulated on this processor, for tests ({EMULATION} is set)"
    found = examine()
    missing = [sentence for name in ("driver", "pycuda", "bindings", "kernels") if (sentence := found[name]["missing"])]
    if missing:
        return False, "; ".join(missing)
    return True, f"{', '.join(device['name'] for device in found['driver']['devices'])}; {found['kernels']['detail']}"


def examine() -> dict[str, Any]:
    """driver, pycuda, bindings, kernels: each with detail and missing, one of which is empty; and the cache."""
    count, size = cache.entries()
    driver = examine_driver()
    return {
        "driver": driver,
        "pycuda": examine_package("pycuda", "no PyCUDA: build a wheel with tools/build_pycuda_wheel.sh (docs/cuda.md)"),
        "bindings": examine_package("cuda-bindings", 'no cuda-bindings: pip install "dsruntime[cuda]"'),
        "kernels": examine_kernels([device["architecture"] for device in driver["devices"]]),
        "cache": {
            "folder": str(cache.folder_path()),
            "usable": cache.folder() is not None,
            "entries": count,
            "bytes": size,
        },
    }


def examine_driver() -> dict[str, Any]:
    """Through ctypes: PyCUDA may be missing, and a driver alone is worth naming."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return no_driver("no CUDA driver (libcuda.so.1): install NVIDIA's driver")
    code, number, count = library.cuInit(0), ctypes.c_int(), ctypes.c_int()
    if code not in (0, 100):
        return no_driver(f"the CUDA driver does not start (error {code}): restart the machine or update the driver")
    library.cuDriverGetVersion(ctypes.byref(number))
    known = f"driver for CUDA {number.value // 1000}.{number.value % 1000 // 10}"
    if code or library.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return no_driver(f"a {known} but no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES")
    devices = [examine_device(library, i) for i in range(count.value)]
    return {"detail": known, "missing": "", "devices": devices}


def no_driver(sentence: str) -> dict[str, Any]:
    return {"detail": "", "missing": sentence, "devices": []}


def examine_device(library: ctypes.CDLL, number: int) -> dict[str, Any]:
    name, device, memory = ctypes.create_string_buffer(256), ctypes.c_int(), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), number)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    library.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # ..._COMPUTE_CAPABILITY_MAJOR
    library.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
    return {
        "name": name.value.decode(errors="replace"),
        "architecture": f"sm_{major.value}{minor.value}",
        "memory": memory.value,
    }


def examine_package(name: str, sentence: str) -> dict[str, Any]:
    try:
        return {"detail": version(name), "missing": ""}
    except PackageNotFoundError:
        if find_spec(name.replace("-", "_")):  # built and put there by hand
            return {"detail": "installed", "missing": ""}
        return {"detail": "", "missing": sentence}


def examine_kernels(architectures: list[str]) -> dict[str, Any]:
    """Compiled kernels for all of these architectures, or a compiler."""
    ready = compile.prebuilt_architectures()
    compiler = compile.nvrtc_version() if compile.has_nvrtc() else "nvcc" if compile.nvcc_path() else ""
    details = [f"compiled kernels for {', '.join(ready)}"] if ready else []
    details += [compiler] if compiler else []
    served = all(any(place.name in ready for place in compile.suitable(name)) for name in architectures)
    sentence = ""
    if not compiler and not (ready and served):
        sentence = 'no compiled kernels for this GPU and no compiler: pip install "dsruntime[cuda]"'
    return {"detail": ", ".join(details), "missing": sentence, "compiler": compiler, "ready": ready}
