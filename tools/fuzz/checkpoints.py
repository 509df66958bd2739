"""Damages small checkpoints of every layout and reads them as `export` does, for as long as asked.

    python tools/fuzz/checkpoints.py --seconds 600 [--seed 0] [--processes 2]

A finding is anything but a typed error or weights that the file's method can say: another exception, a crash, more than
SLOW seconds, more than MEMORY bytes beyond the start, or an event of Python's audit hook that says that code was
imported, compiled or run, a process started or another file opened. Each is written to finding-SEED-INDEX.pth.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

SLOW = 5.0
MEMORY = 2 << 30
EVENTS = ("import", "exec", "compile", "os.system", "os.exec", "os.posix", "subprocess", "socket", "ctypes", "pickle")


class Watch:
    """Counts what happens while `on`; an audit hook cannot be taken away again."""

    def __init__(self, own: str) -> None:
        self.on, self.own, self.seen = False, own, []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event.startswith(EVENTS) or (event == "open" and str(arguments[0]) != self.own):
            self.seen.append(f"{event} {str(arguments)[:200]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker is not None:
        return campaign(chosen.worker, chosen.seconds)
    workers = [start(chosen.seed + index, chosen.seconds) for index in range(chosen.processes)]
    codes = [worker.wait() for worker in workers]
    for seed, code in enumerate(codes, chosen.seed):
        if code not in (0, 1):
            print(f"seed {seed}: the process ended with {code}; its last file is finding-{seed}-last.pth")
    return 1 if any(codes) else 0


def start(seed: int, seconds: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, __file__, "--worker", str(seed), "--seconds", str(seconds)])


def campaign(seed: int, seconds: float) -> int:
    import torch

    from tests.torchfile.damage import damaged, seeds

    torch.set_num_threads(1)
    generator, files = random.Random(seed), list(seeds().items())
    counts: Counter[str] = Counter()
    last, slowest = Path(f"finding-{seed}-last.pth"), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth.tar"
        watch = Watch(str(path))
        import encodings.cp437  # noqa: F401  (zipfile's)

        for _, data in files:  # what is imported when it is first needed is imported here
            path.write_bytes(data)
            read(path)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _, data = generator.choice(files)
            data = damaged(data, generator)
            last.write_bytes(data)
            path.write_bytes(data)
            started = time.process_time()
            outcome = one(path, watch)
            spent = time.process_time() - started
            slowest = max(slowest, spent)
            if spent > SLOW:
                outcome = f"FINDING: {spent:.1f} s"
            if 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) > MEMORY:
                outcome = "FINDING: memory"
            counts[outcome.split(":")[0]] += 1
            if outcome.startswith("FINDING"):
                finding = Path(f"finding-{seed}-{counts['FINDING']}.pth")
                finding.write_bytes(data)
                print(f"{finding}: {outcome}", flush=True)
    last.unlink(missing_ok=True)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    shown = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    print(f"seed {seed}: {sum(counts.values()):,} files: {shown}; slowest {slowest:.2f} s, memory +{grown >> 10} MiB")
    return 1 if counts["FINDING"] else 0


def one(path: Path, watch: Watch) -> str:
    from dscompress.errors import CompileError

    watch.seen.clear()
    watch.on = True
    try:
        read(path)
        outcome = "read"
    except CompileError as error:
        sound = str(error).isprintable() and len(str(error)) < 2000
        outcome = "refused" if sound else f"FINDING: the error {str(error)!r}"
    except Exception:
        watch.on = False  # to print a traceback opens files
        outcome = f"FINDING: {traceback.format_exc(limit=-3)}"
    finally:
        watch.on = False
    return f"FINDING: {watch.seen[0]}" if watch.seen else outcome


def read(path: Path) -> None:
    """What export does before it builds the network."""
    from dscompress import deepshift
    from dscompress.torchfile.detect import detect
    from tests.torchfile.damage import check_weights

    detect(path)
    check_weights(deepshift.load(path))


if __name__ == "__main__":
    sys.exit(main())
