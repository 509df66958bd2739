"""Kernel sources to cubins: the first of these that this machine has.

    1. cubins/<architecture>/<source>.cubin     in the wheel, made by tools/build_cubins.py, if it is of these sources
    2. the cache                                of what 3 and 4 made earlier
    3. NVRTC                                    in this process: cuda-bindings and nvidia-cuda-nvrtc
    4. nvcc                                     in PATH or CUDA_HOME

Sources are the package's own files, and nothing of a model ever gets into them. A cubin of sm_80 also runs on sm_86:
one of the same major version whose minor version is not higher.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dsruntime.backends.cuda import cache as cubin_cache
from dsruntime.errors import BackendError

KERNELS = Path(__file__).parent / "kernels"
PREBUILT = Path(__file__).parent / "cubins"
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90")
OPTIONS = ("--std=c++17",)
one_at_a_time = threading.Lock()


def cubin(source: str, architecture: str) -> bytes:
    """The compiled kernels/<source>.cu."""
    found = prebuilt(source, architecture)
    if found is not None:
        return found
    with one_at_a_time:
        name, compile_it = compiler()
        parts = (name.encode(), architecture.encode(), *map(str.encode, OPTIONS), *texts(source).values())
        key = cubin_cache.key(parts)
        data = cubin_cache.read(key)
        if data is None:
            data = compile_it(source, architecture)
            cubin_cache.write(key, data)
        return data


@cache
def texts(source: str) -> dict[str, bytes]:
    """A kernel file and every header of the package, by name."""
    headers = {file.name: file.read_bytes() for file in sorted(KERNELS.glob("*.h"))}
    return {f"{source}.cu": (KERNELS / f"{source}.cu").read_bytes(), **headers}


def sources() -> list[str]:
    return sorted(file.stem for file in KERNELS.glob("*.cu"))


def fingerprint(source: str) -> str:
    """What a prebuilt cubin was made of."""
    return cubin_cache.key([*map(str.encode, OPTIONS), *texts(source).values()])


# ---- in the wheel


def prebuilt(source: str, architecture: str) -> bytes | None:
    """The cubin of the wheel that runs on an architecture, if it is of these very sources and undamaged."""
    for place in suitable(architecture):
        try:
            listed = json.loads((place / "list.json").read_text())[source]
            data = (place / f"{source}.cubin").read_bytes()
        except (OSError, ValueError, KeyError):
            continue
        if listed == {"sources": fingerprint(source), "sha256": hashlib.sha256(data).hexdigest()}:
            return data
    return None


def suitable(architecture: str) -> list[Path]:
    """Folders of cubins that run on an architecture, the closest first.

    >>> [place.name for place in suitable("emulation")]
    []
    """
    if not architecture.startswith("sm_"):
        return []
    major, minor = architecture[3:-1], int(architecture[-1])
    return [place for m in range(minor, -1, -1) if (place := PREBUILT / f"sm_{major}{m}").is_dir()]


def prebuilt_architectures() -> list[str]:
    """Those for which every kernel is there and current."""
    folders = [folder.name for folder in sorted(PREBUILT.glob("sm_*"))]
    return [name for name in folders if all(is_current(source, name) for source in sources())]


def is_current(source: str, architecture: str) -> bool:
    try:
        listed = json.loads((PREBUILT / architecture / "list.json").read_text())
        return listed[source]["sources"] == fingerprint(source)
    except (OSError, ValueError, KeyError):
        return False


# ---- compilers


def compiler() -> tuple[str, Callable[[str, str], bytes]]:
    """(name and version, function) of the compiler there is; a BackendError where there is none."""
    if has_nvrtc():
        return nvrtc_version(), compile_by_nvrtc
    path = nvcc_path()
    if path:
        return nvcc_version(path), compile_by_nvcc
    raise BackendError(
        "cuda",
        "there are no compiled kernels for this GPU and no compiler",
        "NVRTC or nvcc, or a wheel with cubins",
        'pip install "dsruntime[cuda]", which brings NVRTC',
    )


def has_nvrtc() -> bool:
    try:
        return nvrtc_version() != ""
    except Exception:  # cuda-bindings raises errors of its own where the library is missing
        return False


@cache
def nvrtc_version() -> str:
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        return ""
    from cuda.bindings import nvrtc

    error, major, minor = nvrtc.nvrtcVersion()
    return f"NVRTC {major}.{minor}" if not int(error) else ""


def compile_by_nvrtc(source: str, architecture: str) -> bytes:
    from cuda.bindings import nvrtc

    files = texts(source)
    headers = {name: text for name, text in files.items() if name.endswith(".h")}
    program = nvrtc_call(
        "nvrtcCreateProgram",
        files[f"{source}.cu"],
        f"{source}.cu".encode(),
        len(headers),
        list(headers.values()),
        [name.encode() for name in headers],
    )
    try:
        options = [option.encode() for option in (*OPTIONS, f"--gpu-architecture={architecture}")]
        error = nvrtc.nvrtcCompileProgram(program, len(options), options)[0]
        if int(error):
            log = bytearray(nvrtc_call("nvrtcGetProgramLogSize", program))
            nvrtc_call("nvrtcGetProgramLog", program, log)
            raise not_compiled(source, architecture, nvrtc_version(), log.rstrip(b"\0").decode(errors="replace"))
        data = bytearray(nvrtc_call("nvrtcGetCUBINSize", program))
        nvrtc_call("nvrtcGetCUBIN", program, data)
        return bytes(data)
    finally:
        nvrtc_call("nvrtcDestroyProgram", program)


def nvrtc_call(function: str, *arguments: Any) -> Any:
    from cuda.bindings import nvrtc

    error, *results = getattr(nvrtc, function)(*arguments)
    if int(error):
        raise BackendError(
            "cuda", f"{function} says {error.name}", "a working NVRTC", "install nvidia-cuda-nvrtc again"
        )
    return results[0] if results else None


def nvcc_path() -> str | None:
    home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    return shutil.which("nvcc") or shutil.which("nvcc", path=os.path.join(home, "bin"))


@cache
def nvcc_version(path: str) -> str:
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 and done.stdout.strip() else path


def compile_by_nvcc(source: str, architecture: str) -> bytes:
    path = nvcc_path()
    assert path is not None
    with tempfile.TemporaryDirectory(prefix="dscompress-nvcc-") as folder:
        made = os.path.join(folder, "kernels.cubin")
        command = [
            path,
            *OPTIONS,
            f"--gpu-architecture={architecture}",
            "-cubin",
            "-o",
            made,
            f"-I{KERNELS}",
            str(KERNELS / f"{source}.cu"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise not_compiled(source, architecture, "nvcc", done.stderr)
        return Path(made).read_bytes()


def not_compiled(source: str, architecture: str, name: str, log: str) -> BackendError:
    lines = [line.strip() for line in log.splitlines() if "error" in line] or ["no reason given"]
    return BackendError(
        "cuda",
        f"{name} does not compile {source}.cu for {architecture}: {lines[0]}",
        f"a compiler that knows {architecture}",
        "install another version of nvidia-cuda-nvrtc",
    )
