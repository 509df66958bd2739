"""emulation: kernels compiled for this CPU by g++ (kernels/dsc_prim_emu.h), so that a machine without a GPU runs them.

    Library("conv").launch(Launch("conv", ...))        device addresses are addresses of this process

The shared libraries lie in a private cache folder and are rebuilt when a source or a header changes.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from dsruntime.backends.cuda.launch import Launch, argument_bytes
from dsruntime.errors import BackendError

KERNELS = Path(__file__).parent / "kernels"
HEADERS = sorted(KERNELS.glob("*.h"))
FLAGS = (
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-shared",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-x",
    "c++",
)
SANITIZE = ("-Og", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1")


class Library:
    """One .cu file for this CPU. reverse runs blocks and threads backwards, which must not change any result."""

    def __init__(self, source: str, *, sanitize: bool = False, folder: Path = KERNELS) -> None:
        self.source = source
        self.library = ctypes.CDLL(str(build(source, sanitize, folder)))
        self.library.dsc_error.restype = ctypes.c_char_p

    def launch(self, launch: Launch, reverse: bool = False) -> None:
        """Runs every block, then returns; BackendError if the emulation found a mistake."""
        ctypes.c_int.in_dll(self.library, "dsc_reverse").value = reverse
        data = [ctypes.create_string_buffer(raw, len(raw)) for raw in argument_bytes(launch.args)]
        args = (ctypes.c_void_p * len(data))(*(ctypes.addressof(item) for item in data))
        sizes = (ctypes.c_uint32 * len(data))(*(len(item) for item in data))
        three = ctypes.c_uint32 * 3
        run = getattr(self.library, f"dsc_launch_{launch.kernel}")
        if run(three(*launch.grid), three(*launch.block), launch.shared, args, sizes, len(data)):
            raise BackendError(f"emulated {self.source}.cu, {launch.kernel}", self.library.dsc_error().decode())


@cache
def library(source: str) -> Library:
    """The library of kernels/<source>.cu; DSC_EMULATION_SANITIZE=1 asks for its sanitized build."""
    return Library(source, sanitize=os.environ.get("DSC_EMULATION_SANITIZE") == "1")


def build(source: str, sanitize: bool, folder: Path) -> Path:
    """The path of the shared library, compiled now if there is none of these very sources."""
    path = folder / f"{source}.cu"
    command = [os.environ.get("CXX", "g++"), *FLAGS, *(SANITIZE if sanitize else ()), f"-I{KERNELS}", str(path)]
    target = cache_folder() / f"{path.stem}-{key(command, path)}.so"
    if not target.exists():
        compile_to(target, command)
    return target


def key(command: list[str], path: Path) -> str:
    digest = hashlib.sha256("\0".join(command).encode())
    for file in (path, *HEADERS):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def compile_to(target: Path, command: list[str]) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".so", delete=False) as file:
        new = Path(file.name)
    try:
        done = subprocess.run([*command, "-o", str(new)], capture_output=True, text=True)
        if done.returncode:
            raise BackendError("emulation", done.stderr.strip(), "a kernel that g++ compiles")
        new.replace(target)
    except OSError as error:
        raise BackendError("emulation", f"{command[0]}: {error.strerror}", "a C++ compiler", "install g++") from error
    finally:
        new.unlink(missing_ok=True)


def cache_folder() -> Path:
    root = os.environ.get("DSCOMPRESS_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dscompress"
    )
    folder = Path(root) / "emulation"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
