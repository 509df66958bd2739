"""Changes small ONNX models and exports them without output, as often as asked.

    python tools/fuzz/onnx_models.py --runs 10000 [--seed 0] [--processes 2] [--first 0]

The models are those of onnx_seeds.py and ONNX's own node tests. They are changed as graphs (fields, numbers, names,
nodes and graphs of another model) and as bytes. A finding is anything but a model or a DsError of printable text that
blames the model: another exception, "internal error", a crash, more than SLOW seconds, more than MEMORY bytes beyond
the start. Each is written to onnx-finding-SEED-INDEX.onnx; `--seed SEED --first INDEX --runs 1` repeats it.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

SLOW = 10.0  # seconds of processor time
MEMORY = 2 << 30
SHAPES = (None, None, None, "1,3,8,8", "2,4", "1,1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first run")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        return campaign(chosen.seed, range(chosen.first, chosen.first + chosen.runs))
    each = -(-chosen.runs // chosen.processes)
    starts = range(chosen.first, chosen.first + chosen.runs, each)
    parts = [(start, min(each, chosen.first + chosen.runs - start)) for start in starts]
    workers = [start_worker(chosen.seed, *part) for part in parts]
    return max(watch(worker, chosen.seed, *part) for worker, part in zip(workers, parts, strict=True))


def start_worker(seed: int, first: int, runs: int) -> subprocess.Popen:
    command = [sys.executable, __file__, "--worker", f"--seed={seed}", f"--first={first}", f"--runs={runs}"]
    return subprocess.Popen(command)


def watch(worker: subprocess.Popen, seed: int, first: int, runs: int) -> int:
    """Starts a worker that crashed again, after the run that crashed it."""
    code, crashed = worker.wait(), False
    while code not in (0, 1):
        last = max(int(path.stem.rpartition("-")[2]) for path in Path().glob(f"onnx-last-{seed}-*"))
        Path(f"onnx-last-{seed}-{last}.onnx").rename(f"onnx-finding-{seed}-{last}.onnx")
        print(f"onnx-finding-{seed}-{last}.onnx: the process ended with {code}", flush=True)
        runs, first, crashed = first + runs - last - 1, last + 1, True
        if runs < 1:
            return 1
        code = start_worker(seed, first, runs).wait()
    return 1 if crashed else code


def campaign(seed: int, indices: range) -> int:
    from tools.fuzz.onnx_seeds import changed, seeds

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    models = seeds()
    counts: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for model in models[:8]:  # what is imported when it is first needed is imported here
            path.write_bytes(model)
            one(path, {})
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for index in indices:
            generator = random.Random(f"{seed} {index}")
            data = changed(models, generator)
            options = {"dynamic_batch": generator.random() < 0.7, "input_shape": generator.choice(SHAPES)}
            last = Path(f"onnx-last-{seed}-{index}.onnx")
            last.write_bytes(data)
            path.write_bytes(data)
            started = time.process_time()
            outcome = one(path, options)
            spent = time.process_time() - started
            slowest = max(slowest, spent)
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if spent > SLOW:
                outcome = f"FINDING: {spent:.1f} s"
            if 1024 * (used - memory) > MEMORY:
                outcome, memory = f"FINDING: {(used - memory) >> 10:,} MiB", used
            counts[outcome.split(":")[0]] += 1
            if outcome.startswith("FINDING"):
                Path(f"onnx-finding-{seed}-{index}.onnx").write_bytes(data)
                print(f"onnx-finding-{seed}-{index}.onnx {options}: {outcome}", flush=True)
            last.unlink()
    shown = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    print(f"seed {seed}: {sum(counts.values()):,} models: {shown}; slowest {slowest:.2f} s", flush=True)
    return 1 if counts["FINDING"] else 0


def one(path: Path, options: dict) -> str:
    from dscompress import DsError, compile_model

    try:
        compile_model(path, **options)
        return "exported"
    except DsError as error:
        text = str(error)
        sound = all(line.isprintable() for line in text.splitlines()) and len(text) < 20_000
        if "internal error" in text or not sound:
            return f"FINDING: the error {text[:2000]!r}"
        return "refused by libdsf" if "the file would be refused" in text else "refused"
    except Exception:
        return f"FINDING: {traceback.format_exc(limit=-4)}"


if __name__ == "__main__":
    sys.exit(main())
