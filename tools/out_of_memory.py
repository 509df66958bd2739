"""Lets every allocation of libdsf fail in turn, and every start of a thread, at 1, 2 and 4 threads.

    python tools/out_of_memory.py                    # every allocation, of the golden files and the fuzzer's corpus
    python tools/out_of_memory.py --stride 7 a.dsf   # every seventh, of this file

tests/libdsf/out_of_memory.c loads, prepares, runs and destroys; it says what each failure must look like. It is
compiled against the installed library, with a C compiler on a system with glibc.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from dsruntime import library

ROOT = Path(__file__).resolve().parents[1]
THREADS = (1, 2, 4)


def compiled(folder: Path) -> Path:
    """The program, in this folder."""
    program, built = folder / "out_of_memory", Path(library.find()).resolve()
    subprocess.run(
        [
            "cc",
            "-std=c11",
            "-O1",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I",
            ROOT / "runtime" / "libdsf" / "include",
            ROOT / "tests" / "libdsf" / "out_of_memory.c",
            "-o",
            program,
            built,
            f"-Wl,-rpath,{built.parent}",
        ],
        check=True,
    )
    return program


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="Files to run; all that come with the project by default.")
    parser.add_argument("--stride", type=int, default=1, help="Of so many allocations one fails.")
    options = parser.parse_args()
    ours = [*(ROOT / "schema" / "golden").glob("*.dsf"), *(ROOT / "tools" / "fuzz" / "corpus").glob("*.dsf")]
    models = options.models or sorted(ours)
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        for threads in THREADS:
            print(f"{threads} threads:", end=" ", flush=True)
            if subprocess.run([program, str(threads), str(options.stride), *models]).returncode != 0:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
