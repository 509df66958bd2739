"""Long runs of what the test suite does briefly. Each prints its counts and stops with exit code 1 at a finding.

python tools/campaign.py graphs --count 10000 [--seed 0]    random graphs against ONNX Runtime, on every backend
python tools/campaign.py sessions --count 1000 [--seed 0]   the same on every instruction set of this CPU, with all
                                                            choices of memory and precision
python tools/campaign.py bytes model.dsf                    every byte of a file, all 255 other values, CRC repaired
python tools/campaign.py flips model.dsf                    every bit of a file flipped: all must be refused
python tools/campaign.py corpus build/fuzz/corpus-run       cpu against reference on all files that are accepted
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]


def graphs(count: int, seed: int, all_options: bool = False) -> int:
    from tests.differential.agreement import OPTIONS, check_graph, possible_options
    from tests.differential.graphs import Choices, random_graph

    started, findings = time.monotonic(), 0
    options = possible_options() if all_options else OPTIONS[:1]
    with tempfile.TemporaryDirectory() as folder:
        for i in range(seed, seed + count):
            graph = random_graph(Choices(i), exact=i % 2 == 0)
            try:
                check_graph(graph, Path(folder), options)
            except Exception:
                findings += 1
                path = Path(f"graph-{i}.onnx")
                path.write_bytes(graph.model.SerializeToString())
                print(f"seed {i}, written to {path}:\n{traceback.format_exc(limit=1)}")
            if (i + 1 - seed) % 500 == 0:
                print(f"{i + 1 - seed} graphs, {findings} findings, {time.monotonic() - started:.0f} s", flush=True)
    print(f"{count} graphs, {findings} findings, {time.monotonic() - started:.0f} s")
    return 1 if findings else 0


def sessions(count: int, seed: int) -> int:
    """In a process for each instruction set: which one runs is settled once."""
    from dsruntime.library import instruction_sets

    worst = 0
    for name in [row["name"] for row in instruction_sets() if row["available"]]:
        print(f"DSF_ISA={name}", flush=True)
        command = [sys.executable, __file__, "graphs", "--all-options", f"--count={count}", f"--seed={seed}"]
        worst = max(worst, subprocess.run(command, env={**os.environ, "DSF_ISA": name}).returncode)
    return worst


def damage(path: Path) -> int:
    """In a process of its own, which a crash ends; the campaign goes on with the next byte."""
    length, position, findings = path.stat().st_size, 0, 0
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        while position < length:
            stop = min(position + 256, length)
            command = [
                sys.executable,
                "-m",
                "tests.load.damage",
                str(path.resolve()),
                str(position),
                str(stop),
                str(progress),
                *map(str, range(256)),
            ]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                findings += 1
                print(f"byte and value {progress.read_text()}: exit {done.returncode}\n{done.stderr[-1000:]}")
                position = int(progress.read_text().split()[0]) + 1
                continue
            for key, value in json.loads(done.stdout).items():
                counts[key] = counts.get(key, 0) + value
            position = stop
    print(f"{path}: {counts}, {findings} findings")
    return 1 if findings else 0


def flips(path: Path) -> int:
    from tests.load.refusal import is_refused

    data = bytearray(path.read_bytes())
    accepted = 0
    for position in range(8 * len(data)):
        data[position // 8] ^= 1 << position % 8
        if not is_refused(data):
            accepted += 1
            print(f"bit {position} flipped, and the file is accepted")
        data[position // 8] ^= 1 << position % 8
    print(f"{path}: {8 * len(data)} flips, {accepted} accepted")
    return 1 if accepted else 0


def corpus(folder: Path) -> int:
    from tests.load.agreement import check_agreement

    counts: dict[str, int] = {}
    for path in sorted(folder.iterdir()):
        try:
            outcome = check_agreement(path.read_bytes())
        except Exception as error:
            outcome = "differed"
            print(f"{path}: {error}")
        counts[outcome] = counts.get(outcome, 0) + 1
    print(f"{folder}: {counts}")
    return 1 if "differed" in counts else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("graphs", "sessions"):
        options = kinds.add_parser(kind)
        options.add_argument("--count", type=int, default=1000)
        options.add_argument("--seed", type=int, default=0)
        if kind == "graphs":
            options.add_argument("--all-options", action="store_true", help="every choice of memory and precision")
    for kind in ("bytes", "flips", "corpus"):
        kinds.add_parser(kind).add_argument("path", type=Path)
    chosen = parser.parse_args()
    if chosen.kind == "graphs":
        return graphs(chosen.count, chosen.seed, chosen.all_options)
    if chosen.kind == "sessions":
        return sessions(chosen.count, chosen.seed)
    return {"bytes": damage, "flips": flips, "corpus": corpus}[chosen.kind](chosen.path)


if __name__ == "__main__":
    sys.exit(main())
