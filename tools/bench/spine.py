"""spine: the project's figures, measured on this machine and printed beside their targets.

    python tools/bench/spine.py [--json FILE] [--rounds 15] [--only size,export,run,import,load,speed]

Comparisons alternate between the two sides and are given as medians. Models are made once, in build/bench.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench"
DSCOMPRESS = [sys.executable, "-m", "dscompress"]
sys.path.insert(0, str(ROOT / "tools"))


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the project's figures")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--rounds", type=int, default=15, help="alternations of each comparison (15)")
    parser.add_argument("--only", default=",".join(FIGURES), help="some of " + ",".join(FIGURES))
    options = parser.parse_args()
    # Modules are compiled once, as in an installed package, also where the environment says not to keep that.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    figures = []
    for name in options.only.split(","):
        for figure in FIGURES[name](options.rounds):
            figures.append(figure)
            print_figure(figure)
    if options.json:
        machine = {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
        Path(options.json).write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")


def size_figures(rounds: int) -> list[dict]:
    size, float_size = dsf_file("resnet18").stat().st_size / 1e6, onnx_file("resnet18").stat().st_size / 1e6
    return [figure("ResNet18, 5 bits, file", size, "MB", 7.40, beside=f"{float_size:.1f} MB as float32 ONNX")]


def export_figures(rounds: int) -> list[dict]:
    seconds, peak = run_process(export_command("resnet50", FOLDER / "export_figure.dsf"))
    return [
        figure("export of resnet50 from a state_dict", seconds, "s", 20),
        figure("export of resnet50, peak memory", peak / 1e9, "GB", 1.5),
    ]


def run_figures(rounds: int) -> list[dict]:
    from zoo import photograph_files

    photo = str(photograph_files()[0])
    ours = [*DSCOMPRESS, "run", str(dsf_file("resnet18")), photo]
    peer = [sys.executable, str(ROOT / "tools/bench/ort_script.py"), str(onnx_file("resnet18")), photo]
    mine, theirs = alternate(rounds, lambda: run_process(ours)[0], lambda: run_process(peer)[0])
    beside = f"{mine * 1e3:.0f} ms against {theirs * 1e3:.0f} ms"
    return [figure("dscompress run, whole process / ONNX Runtime script", mine / theirs, "x", 0.6, beside)]


def import_figures(rounds: int) -> list[dict]:
    code = "import time, numpy; start = time.perf_counter(); import dsruntime; print(time.perf_counter() - start)"
    seconds = median_of(rounds, lambda: float(subprocess.check_output([sys.executable, "-c", code])))
    return [figure("import dsruntime, beyond NumPy", seconds * 1e3, "ms", 60)]


def load_figures(rounds: int) -> list[dict]:
    import dsruntime

    path = dsf_file("resnet50")

    def load() -> float:
        start = time.perf_counter()
        with dsruntime.load(path):
            return time.perf_counter() - start

    load()
    return [figure("load of resnet50.dsf, check included", median_of(rounds, load) * 1e3, "ms", 50)]


def speed_figures(rounds: int) -> list[dict]:
    import onnxruntime
    from zoo import photographs

    import dsruntime

    image, figures = photographs(1), []
    for threads in (1, 2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would go on spinning on a processor that the other side's turn needs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        peer = onnxruntime.InferenceSession(str(onnx_file("resnet18")), options, providers=["CPUExecutionProvider"])
        name = peer.get_inputs()[0].name
        with dsruntime.load(dsf_file("resnet18"), threads=threads) as session:
            sides = partial(seconds_of, session.run, image), partial(seconds_of, peer.run, None, {name: image})
            mine, theirs = alternate(rounds, *sides)
        beside = f"{mine * 1e3:.1f} ms against {theirs * 1e3:.1f} ms"
        figures.append(figure(f"ResNet18 batch 1, {threads} thread(s) / ONNX Runtime", mine / theirs, "x", 4, beside))
    return figures


FIGURES = {
    "size": size_figures,
    "export": export_figures,
    "run": run_figures,
    "import": import_figures,
    "load": load_figures,
    "speed": speed_figures,
}


def state_dict_file(name: str) -> Path:
    return source_files(name)[0]


def onnx_file(name: str) -> Path:
    return source_files(name)[1]


def source_files(name: str) -> tuple[Path, Path]:
    """The state_dict and the float32 .onnx, made by a process of their own: this one stays small for what it starts."""
    files = FOLDER / f"{name}.pt", FOLDER / f"{name}.onnx"
    if not all(path.exists() for path in files):
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(ROOT / "tools/zoo.py"), name, *map(str, files)], check=True)
    return files


def dsf_file(name: str) -> Path:
    path = FOLDER / f"{name}.dsf"
    if not path.exists():
        subprocess.run(export_command(name, path), check=True)
    return path


def export_command(name: str, output: Path) -> list[str]:
    source = ["export", str(state_dict_file(name)), "--model", f"torchvision.models:{name}"]
    return [*DSCOMPRESS, *source, "--input-shape", "1,3,224,224", "--preprocess", "imagenet", "-q", "-o", str(output)]


def run_process(command: list[str]) -> tuple[float, int]:
    """Seconds and peak resident bytes of a whole process; its output is dropped, its failure is not."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss * 1024


def alternate(rounds: int, *sides) -> list[float]:
    """The median of each side, after one unmeasured turn of both."""
    turns = [[side() for side in sides] for _ in range(rounds + 1)][1:]
    return [statistics.median(times) for times in zip(*turns, strict=True)]


def median_of(rounds: int, measure) -> float:
    return alternate(rounds, measure)[0]


def seconds_of(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def figure(name: str, value: float, unit: str, target: float, beside: str = "") -> dict:
    return {"name": name, "value": value, "unit": unit, "target": target, "met": value <= target, "beside": beside}


def print_figure(figure: dict) -> None:
    target = f"(target <= {figure['target']:g}{'' if figure['met'] else ': MISSED'})"
    value = f"{figure['value']:8.2f} {figure['unit']:<3}"
    print(f"{figure['name']:<55} {value} {target:<22} {figure['beside']}", flush=True)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
