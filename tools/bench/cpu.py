"""cpu: libdsf, ONNX Runtime and OpenVINO side by side, taking turns on this machine, as ratios and shares of its peak.

    python tools/bench/cpu.py [--only peaks,resnet18,fc] [--threads 1,2] [--rounds 9]

Each side is a process of its own (side.py); in every round each runs three times and the last two count, so that its
weights are as far down the caches as its own runs leave them. Figures are medians. What is measured goes into
build/bench/cpu.json, chunk by chunk, beside what earlier calls measured; all of it into docs/performance.md and the
chart beside it. The whole takes about ten minutes on two cores.

OpenVINO is optional: pip install -c constraints.txt -e ./runtime -e '.[bench]'
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from side import avx2_copy
from spine import FOLDER, ROOT, dsf_file, onnx_file, processor

HERE = Path(__file__).parent
RESULTS = FOLDER / "cpu.json"
TURN = 3  # runs, of which the first warms the caches up
PAUSE = 0.02  # seconds after a turn: threads that spin go to sleep

OURS = ("dsf", "dsf-low", "dsf-bf16", "dsf-avx2")
PEERS = ("onnxruntime", "onnxruntime-avx2", "openvino", "openvino-bf16")


@dataclass(frozen=True)
class Layer:
    """A linear layer or convolution alone; shape is its input's."""

    kind: str
    sizes: tuple[int, ...]  # inputs, outputs (, kernel, stride, groups)
    shape: tuple[int, ...]


MODELS = ("resnet18", "resnet50", "vgg16", "mobilenet_v2", "efficientnet_b0", "vit_b_16")
LAYERS = {
    "fc 25088 to 4096": Layer("linear", (25088, 4096), (1, 25088)),
    "fc 4096 to 4096": Layer("linear", (4096, 4096), (1, 4096)),
    "fc 4096 to 4096, batch 8": Layer("linear", (4096, 4096), (8, 4096)),
    "conv 3x3 64 to 64, 56x56": Layer("conv", (64, 64, 3, 1, 1), (1, 64, 56, 56)),
    "conv 3x3 512 to 512, 7x7": Layer("conv", (512, 512, 3, 1, 1), (1, 512, 7, 7)),
    "conv 1x1 256 to 64, 56x56": Layer("conv", (256, 64, 1, 1, 1), (1, 256, 56, 56)),
    "conv 7x7 3 to 64, stride 2": Layer("conv", (3, 64, 7, 2, 1), (1, 3, 224, 224)),
    "depthwise 3x3 144, 56x56": Layer("conv", (144, 144, 3, 1, 144), (1, 144, 56, 56)),
}
BATCHED = ("resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0")


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the CPU library beside its peers")
    parser.add_argument("--only", default=",".join(CHUNKS), metavar="CHUNKS", help="some of " + ",".join(CHUNKS))
    parser.add_argument("--threads", default="1,2", help="thread counts (1,2)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side (9)")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page of what was measured")
    options = parser.parse_args()
    chunks = [] if options.page else options.only.split(",")
    unknown = [chunk for chunk in chunks if chunk not in CHUNKS]
    if unknown:
        parser.error(f"no chunk {', '.join(unknown)}; there are {', '.join(CHUNKS)}")
    if not has_openvino():
        print(
            "OpenVINO is not installed, so its columns are left out: "
            "pip install -c constraints.txt -e ./runtime -e '.[bench]'"
        )
    threads = [int(count) for count in options.threads.split(",")]
    for chunk in chunks:
        start = time.perf_counter()
        keep(chunk, CHUNKS[chunk](chunk, threads, options.rounds))
        print(f"  {chunk}: {time.perf_counter() - start:.0f} s", flush=True)
    from cpu_page import write_page

    write_page(kept())


def has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None


# ---- chunks: each gives rows, dictionaries that the page knows by their "kind"


def peak_rows(chunk: str, threads: list[int], rounds: int) -> list[dict]:
    program = FOLDER / "peaks"
    FOLDER.mkdir(parents=True, exist_ok=True)
    flags = ["-O3", "-march=native", "-std=c++17", "-ffp-contract=fast", "-pthread"]
    subprocess.run(["c++", *flags, HERE / "peaks.cpp", "-o", program], check=True)
    rows = [json.loads(subprocess.check_output([program, str(count)])) for count in threads]
    for row in rows:
        print("  peaks:", ", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    return [{"kind": "peak", **row} for row in rows]


def model_rows(name: str, threads: list[int], rounds: int) -> list[dict]:
    files = {"ours": dsf_file(name), "peers": onnx_file(name)}
    macs = multiplications(files["peers"])
    rows = [
        {"kind": "model", "name": name, "macs": macs, **compare(name, files, (1, 3, 224, 224), count, rounds)}
        for count in threads
    ]
    for row in rows:
        check_held_to_avx2(row)
    return rows


def check_held_to_avx2(row: dict) -> None:
    """ONNX Runtime does every multiply-add of a model: more of them than AVX2 can do were not done in AVX2."""
    seconds = row["seconds"].get("onnxruntime-avx2")
    peaks = {peak["threads"]: peak for peak in kept()["chunks"].get("peaks", [])}
    peak = peaks.get(row["threads"], {}).get("avx2_gmac")
    if seconds and peak and row["macs"] / seconds > 1.1e9 * peak:
        raise SystemExit(f"{row['name']}: ONNX Runtime is faster than AVX2 can be, so it was not held to it")


def layer_rows(prefix: str, threads: list[int], rounds: int) -> list[dict]:
    rows = []
    for name, layer in LAYERS.items():
        if not name.startswith({"fc": "fc", "conv": ("conv", "depthwise")}[prefix]):
            continue
        files = layer_files(layer)
        facts = {
            "kind": "layer",
            "name": name,
            "macs": multiplications(files["peers"]) * layer.shape[0],
            "packed": packed_bytes(files["ours"]),
        }
        rows += [{**facts, **compare(name, files, layer.shape, count, rounds)} for count in threads]
    return rows


def batch_rows(chunk: str, threads: list[int], rounds: int) -> list[dict]:
    """libdsf alone: seconds an image and peak memory at batch 16 and at batch 1, taking turns."""
    rows = []
    for name in BATCHED:
        for count in threads:
            sides = {batch: Side("dsf", dsf_file(name), count, (batch, 3, 224, 224)) for batch in (1, 16)}
            times = take_turns(sides, max(3, rounds // 3))
            one, many = statistics.median(times[1]), statistics.median(times[16]) / 16
            peak = {batch: side.end() for batch, side in sides.items()}
            rows.append(
                {
                    "kind": "batch",
                    "name": name,
                    "threads": count,
                    "one": one,
                    "many": many,
                    "one_peak": peak[1],
                    "many_peak": peak[16],
                }
            )
            print(f"  {name}, {count} threads: an image of batch 16 takes {many / one:.2f} x one alone", flush=True)
    return rows


CHUNKS = {
    "peaks": peak_rows,
    **dict.fromkeys(MODELS, model_rows),
    "fc": layer_rows,
    "conv": layer_rows,
    "batch": batch_rows,
}


# ---- taking turns


class Side:
    """A process of side.py. library: another libdsf than the installed one."""

    def __init__(
        self, side: str, file: Path, threads: int, shape: tuple[int, ...], library: Path | None = None
    ) -> None:
        environment = os.environ | ({"DSF_ISA": "avx2"} if side == "dsf-avx2" else {})
        environment |= {"DSF_LIBRARY": str(library)} if library else {}
        words = [sys.executable, HERE / "side.py", side, file, threads, "x".join(map(str, shape))]
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        ready = self.answer()
        self.load, self.name = ready["load"], ready["name"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self.process.args))}: exit code {self.process.wait()}")
        return json.loads(line)

    def ask(self, text: str):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> int:
        """Its peak memory, in bytes."""
        peak = self.ask("end")["peak"]
        self.process.wait()
        return peak


def compare(name: str, files: dict, shape: tuple[int, ...], threads: int, rounds: int) -> dict:
    sides = {side: Side(side, files["ours" if side in OURS else "peers"], threads, shape) for side in sides_here()}
    times = {side: statistics.median(seconds) for side, seconds in take_turns(sides, rounds).items()}
    load = {side: process.load for side, process in sides.items()}
    names = {side: process.name for side, process in sides.items()}
    peak = {side: process.end() for side, process in sides.items()}
    shown = ", ".join(f"{side} {seconds * 1e3:.2f} ms" for side, seconds in times.items())
    ratio = times["onnxruntime"] / times["dsf"]
    print(f"  {name}, {threads} threads: {ratio:.2f} x ONNX Runtime; {shown}", flush=True)
    return {"threads": threads, "seconds": times, "load": load, "peak": peak, "names": names}


@cache
def sides_here() -> list[str]:
    from dsruntime import library

    rows = {row["name"]: row for row in library.instruction_sets() if row["available"]}
    left_out = set()
    if not any(row["chosen"] and row["bf16"] for row in rows.values()):
        left_out |= {"dsf-bf16", "openvino-bf16"}
    if "avx2" not in rows:
        left_out |= {"dsf-avx2", "onnxruntime-avx2"}
    else:
        try:
            avx2_copy()
        except LookupError as error:
            print(f"ONNX Runtime cannot be held to AVX2, so that column is left out: {error}")
            left_out.add("onnxruntime-avx2")
    if not has_openvino():
        left_out |= {"openvino", "openvino-bf16"}
    return [side for side in OURS + PEERS if side not in left_out]


def take_turns(sides: dict, rounds: int) -> dict[str, list[float]]:
    times: dict = {side: [] for side in sides}
    for _ in range(rounds):
        for side, process in sides.items():
            times[side] += process.ask(str(TURN))[1:]
            time.sleep(PAUSE)
    return times


# ---- files


def layer_files(layer: Layer) -> dict:
    stem = FOLDER / "_".join([layer.kind, *map(str, layer.sizes), *map(str, layer.shape)])
    files = {"ours": stem.with_suffix(".dsf"), "peers": stem.with_suffix(".onnx")}
    if not all(file.exists() for file in files.values()):
        FOLDER.mkdir(parents=True, exist_ok=True)
        write_layer(layer, files)
    return files


def write_layer(layer: Layer, files: dict) -> None:
    import torch
    import zoo

    import dscompress

    torch.manual_seed(1)
    if layer.kind == "linear":
        module = torch.nn.Linear(*layer.sizes)
    else:
        inputs, outputs, kernel, stride, groups = layer.sizes
        module = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
    module.weight.data = zoo.rounded(module.weight.data, "ps")
    dscompress.compile_model(module.eval(), files["ours"], input_shape=layer.shape)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # PyTorch's, about itself
        program = torch.onnx.export(module, (torch.zeros(layer.shape),), dynamo=True, verbose=False)
    program.save(files["peers"], external_data=False)


def packed_bytes(file: Path) -> int:
    from dsruntime import Model
    from dsruntime.forms import Codes

    graph = Model.open(file).graph
    return sum(weight.length for weight in graph.weights if isinstance(graph.form(weight), Codes))


def multiplications(file: Path) -> int:
    """Of one image: the products of convolutions and matrices, from the shapes that ONNX infers."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(file))
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    shapes = {value.name: [max(1, d.dim_value) for d in value.type.tensor_type.shape.dim] for value in values}
    shapes |= {weight.name: list(weight.dims) for weight in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            a, b, y = (shapes[name] for name in (node.input[0], node.input[1], node.output[0]))
            each = product(b[1:]) if node.op_type == "Conv" else a[-1]
            total += product(y) * each
    return total


def product(numbers) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total


# ---- results


def kept() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"machine": {}, "chunks": {}}


def keep(chunk: str, rows: list[dict]) -> None:
    results = kept()
    results["machine"] = {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    results["chunks"][chunk] = rows
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tools"))
    main()
