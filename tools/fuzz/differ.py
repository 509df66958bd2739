"""Changes numbers in the files of tools/fuzz/corpus and compares cpu with the reference on all that are accepted.

    python tools/fuzz/differ.py --runs 20000 [--seed 0] [--seconds 600] [--corpus FOLDER]

What is the same, and how far apart two right answers may be: tests/load/agreement.py. A finding is a file on which
they differ, or anything but a typed error; it is written to finding-SEED-RUN.dsf. The same seed makes the same files.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

import numpy as np  # noqa: E402

from dsruntime import library  # noqa: E402
from tests.load.agreement import check_agreement  # noqa: E402
from tests.load.mutation import mutated  # noqa: E402

SLOW = 20  # seconds for one file
OPTIONS = ({}, {}, {"memory": "low"}, {"precision": "bf16"}, {"memory": "low", "precision": "bf16"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, default=ROOT / "tools/fuzz/corpus", help="a folder of .dsf files")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end earlier, after so long")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, too_slow)
    files = sorted(chosen.corpus.glob("*.dsf"))
    (row,) = [row for row in library.instruction_sets() if row["chosen"]]
    options = [option for option in OPTIONS if row["bf16"] or "precision" not in option]
    counts: Counter[str] = Counter()
    started = time.monotonic()
    for run in range(chosen.runs):
        if time.monotonic() - started > chosen.seconds:
            break
        choices = random.Random(f"{chosen.seed} {run}")
        path = choices.choice(files)
        data = mutated(path.read_bytes(), choices)
        outcome = one(data, np.random.default_rng(choices.randrange(1 << 32)), choices.choice(options))
        counts[outcome.partition(":")[0]] += 1
        if outcome.startswith("FINDING"):
            name = f"finding-{chosen.seed}-{run}.dsf"
            Path(name).write_bytes(data)
            print(f"{name}, from {path.stem}: {outcome}", flush=True)
    shown = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    print(f"seed {chosen.seed}: {sum(counts.values()):,} files in {time.monotonic() - started:.0f} s: {shown}")
    return 1 if counts["FINDING"] else 0


def one(data: bytes, numbers: np.random.Generator, options: dict) -> str:
    signal.alarm(SLOW)
    try:
        return check_agreement(data, numbers, options)
    except AssertionError as error:
        return f"FINDING: {error}"
    except Exception:
        return f"FINDING: {traceback.format_exc(limit=-3)}"
    finally:
        signal.alarm(0)


def too_slow(*_) -> None:
    raise TimeoutError(f"more than {SLOW} s")


if __name__ == "__main__":
    sys.exit(main())
