"""Writes tools/fuzz/corpus: a small file of every op and one of several, where fuzzing begins.

python tools/fuzz/seeds.py
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

from dsruntime.backends.reference.ops import OPS  # noqa: E402
from tests.load.small_model import small_model  # noqa: E402
from tests.support.one_node import is_shift, one_node_file  # noqa: E402

MOST_BYTES = 3000


def seeds() -> dict[str, bytes]:
    """The first small cases of every op; cases of two or more in the batch, and shift weights, come first."""
    files = {"several": small_model()}
    for op in sorted(OPS):
        cases = [case for case in importlib.import_module(f"tests.ops.test_{op}").CASES if case.onnx]
        small = [case for case in cases if sum(a.nbytes for a in case.inputs if a is not None) < MOST_BYTES]
        small.sort(key=lambda case: (-case.batch, -len(case.attributes)))
        for i, case in enumerate(small[:2]):
            codec = "shift" if is_shift(op, case) else "raw"
            files[f"{op}_{i}"] = one_node_file(op, case, codec=codec)
    return {name: data for name, data in files.items() if len(data) < 2 * MOST_BYTES}


def main() -> None:
    folder = ROOT / "tools/fuzz/corpus"
    folder.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (folder / f"{name}.dsf").write_bytes(data)


if __name__ == "__main__":
    main()
