"""build_cubins: compiles every kernel for a list of GPUs, to be shipped in the wheel: then a device needs no compiler.

    python tools/build_cubins.py                              sm_75 sm_80 sm_86 sm_87 sm_89 sm_90
    python tools/build_cubins.py sm_87 --folder cubins

Into runtime/dsruntime/backends/cuda/cubins/<architecture>/, from where the next wheel takes them: one .cubin a source,
and a list.json that says of which sources and options each is, and its SHA-256. The runtime takes a cubin only if both
still fit. NVRTC or nvcc must be here. A driver loads cubins of its own CUDA version and older: build them with the
oldest compiler that your devices need.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path

from dsruntime.backends.cuda import compile
from dsruntime.errors import BackendError


def build(architecture: str, folder: Path) -> int:
    """Compiles all sources for one architecture; the bytes written."""
    name, compile_it = compile.compiler()
    listed, made = {}, {}
    for source in compile.sources():
        made[source] = compile_it(source, architecture)
        listed[source] = {"sources": compile.fingerprint(source), "sha256": hashlib.sha256(made[source]).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    for source, data in made.items():
        write(folder / f"{source}.cubin", data)
    write(folder / "list.json", (json.dumps(listed, indent=1) + "\n").encode())
    print(f"{architecture}: {len(made)} kernels, {sum(map(len, made.values()))} bytes, by {name}")
    return sum(map(len, made.values()))


def write(path: Path, data: bytes) -> None:
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_bytes(data)
    os.replace(new, path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compiles every kernel for a list of GPUs.")
    parser.add_argument("architectures", nargs="*", default=compile.ARCHITECTURES, metavar="sm_XX")
    parser.add_argument("--folder", type=Path, default=compile.PREBUILT)
    options = parser.parse_args(arguments)
    try:
        for architecture in options.architectures or compile.ARCHITECTURES:
            build(architecture, options.folder / architecture)
    except BackendError as error:
        parser.exit(4, f"error: {error}\n")
    return 0


if __name__ == "__main__":
    main()
