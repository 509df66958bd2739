"""The runtime needs nothing of the compiler, and importing it is cheap."""

import os
import subprocess
import sys
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
COMPILER = ["torch", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "click", "rich", "dscompress"]
LAZY = ["PIL", "flatbuffers", "pycuda", "dsruntime.image", "dsruntime.dsf_generated", "dsruntime.backends.reference"]


def modules() -> list[str]:
    paths = sorted((RUNTIME / "dsruntime").rglob("*.py"))
    names = [".".join(path.relative_to(RUNTIME).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def python(code: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(RUNTIME)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)


def test_every_module_imports_without_the_compiler():
    assert len(modules()) > 60
    blocked = f"import sys; sys.modules.update(dict.fromkeys({COMPILER}))"
    python(f"{blocked}\n" + "\n".join(f"import {name}" for name in modules()))


def test_import_loads_only_what_everyone_needs():
    code = f"import sys, dsruntime; print([name for name in {LAZY} if name in sys.modules])"
    assert python(code).stdout.strip() == "[]"


def test_import_costs_less_than_60_ms_beyond_numpy():
    clock = "from time import process_time as now; import numpy; t = now(); import dsruntime; print(now() - t)"
    assert min(float(python(clock).stdout) for _ in range(5)) <= 0.060
