"""One side of a comparison, in a process of its own: loads a model once, then runs it when it is told to.

    python tools/bench/side.py SIDE FILE THREADS SHAPE        SIDE: dsf, dsf-low, dsf-bf16, onnxruntime, openvino, ...

First line: {"load": seconds until the first answer, "name": the library and its version}. Each line "COUNT" on standard
input is then answered by the seconds of as many runs, a JSON list; "end" by {"peak": bytes of resident memory at most}.
Threads that a library leaves spinning would take the processor from the next side: each is told to stop.
"""

import importlib.util
import json
import shutil
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"

# xgetbv; mov eax, eax; shl rdx, 32: how MLAS begins to put the answer together. And mov al, 7; nop in xgetbv's place.
ASKS = bytes.fromhex("0f01d0 89c0 48c1e220")
ANSWERS_7 = bytes.fromhex("b00790 89c0 48c1e220")


def main(side: str, file: str, threads: str, shape: str) -> None:
    x = np.random.default_rng(0).standard_normal([int(d) for d in shape.split("x")]).astype(np.float32)
    if side == "onnxruntime-avx2":
        sys.path.insert(0, avx2_copy())
    start = time.perf_counter()
    run, name = SIDES[side](file, int(threads), x)
    run()
    print(json.dumps({"load": time.perf_counter() - start, "name": name}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            print(json.dumps({"peak": peak_bytes()}), flush=True)
            return
        print(json.dumps([seconds_of(run) for _ in range(int(line))]), flush=True)


def seconds_of(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_bytes() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def open_dsf(file, threads, x, **options):
    import dsruntime

    session = dsruntime.load(file, "cpu", threads, **options)
    return (lambda: session.run(x)), f"dscompress {dsruntime.__version__}"


def open_onnxruntime(file, threads, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return (lambda: session.run(None, feed)), f"ONNX Runtime {onnxruntime.__version__}"


def avx2_copy() -> str:
    """The folder of a copy of ONNX Runtime that runs as on a machine without AVX-512; made once for each version.

    It has no option for that. Its kernels (MLAS) ask the processor which registers the system saves when the library is
    loaded (xgetbv: bits 0-2 for x87, SSE and AVX, 5-7 for AVX-512); the copy takes the answer for 7.
    """
    package = Path(importlib.util.find_spec("onnxruntime").origin).parent
    folder = FOLDER / f"onnxruntime-avx2-{metadata.version('onnxruntime')}"
    if not folder.exists():
        part = Path(tempfile.mkdtemp(dir=FOLDER))
        shutil.copytree(package, part / "onnxruntime")
        (library,) = (part / "onnxruntime/capi").glob("onnxruntime_pybind11_state*.so")
        code = library.read_bytes()
        if not code.count(ASKS):
            raise LookupError(f"{library.name} does not ask for the saved registers as side.py knows it")
        library.write_bytes(code.replace(ASKS, ANSWERS_7))
        part.rename(folder)
    return str(folder)


def open_openvino(file, threads, x, precision="f32"):
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    model.reshape(list(x.shape))
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        },
    )
    request = compiled.create_infer_request()
    return (lambda: request.infer([x])), f"OpenVINO {openvino.__version__.split('-')[0]}"


SIDES = {
    "dsf": open_dsf,
    "dsf-low": lambda *given: open_dsf(*given, memory="low"),
    "dsf-bf16": lambda *given: open_dsf(*given, precision="bf16"),
    "dsf-avx2": open_dsf,  # started with DSF_ISA=avx2
    "onnxruntime": open_onnxruntime,
    "onnxruntime-avx2": open_onnxruntime,  # a copy of its package
    "openvino": open_openvino,
    "openvino-bf16": lambda *given: open_openvino(*given, precision="bf16"),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
