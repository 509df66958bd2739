"""gpu_check: does backend cuda compute what it should on this machine's GPU, and how fast?

    python tools/gpu_check.py

No arguments, at most ten minutes. First correctness: every kernel by the cases of tests/ops, small networks of every
family, the networks of tools/zoo.py, all against the reference backend within computed bounds, results poisoned before,
and compute-sanitizer where it is installed. Then timings against torch, where torch has CUDA. Written to
docs/gpu_results/<date>-<gpu>.json and .md; what was not measured is named, with the reason.

A part that breaks or takes too long is written down as that, and the others still run; what is known is written after
each part. What it needs: docs/cuda.md.

Exit code 0: all correct; 1: a difference, or a part that broke; 4: there is no GPU to check.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from dsruntime import backends  # noqa: E402
from dsruntime.backends.cuda.driver import Driver  # noqa: E402
from dsruntime.backends.cuda.drivers import open_driver  # noqa: E402
from dsruntime.errors import BackendError  # noqa: E402
from tools.gpu import correctness, machine, report, timings  # noqa: E402
from tools.gpu.parts import Budget, Part, is_failure, stopped_after, words  # noqa: E402

SECONDS = 600


def check(driver: Driver, folder: Path, budget: Budget, plan: list[Part]) -> dict:
    """Runs the parts in order; a part that the budget has no time for is said to be left out."""
    found: dict = {"machine": machine.describe(driver), "correct": True, "parts": {}}
    for part in plan:
        if budget.left() < part.seconds:
            result = {"left out": f"{budget.left():.0f} s were left, this takes {part.seconds} s"}
        else:
            print(f"{part.name} ...", flush=True)
            result = outcome(part, driver, budget)
        found["parts"][part.name] = result
        found["correct"] = found["correct"] and result.get("correct", True)
        report.write(found, folder)  # after each part: a crash keeps what is known
    return found


def outcome(part: Part, driver: Driver, budget: Budget) -> dict:
    """What a part found; a part that breaks is a finding, too, and the others still run."""
    mine = Budget(min(part.most, budget.left()))
    try:
        with stopped_after(mine.left()):
            return part.run(driver, mine)
    except BaseException as error:
        if not is_failure(error):
            raise
        return {"correct": False, "broke": words(error)}


PARTS = [
    Part("kernels", correctness.kernels, 60, most=150),
    Part("networks", correctness.networks, 20, most=60),
    Part("fully connected", timings.fully_connected, 20, most=60),
    Part("paper", timings.paper, 10, most=40),
    Part("models", timings.models, 60, most=240),
    Part("sanitizer", correctness.sanitizer, 30, most=90),
    Part("zoo", correctness.zoo, 30, most=SECONDS),
]


def main() -> int:
    usable, sentence = backends.availability()["cuda"]
    if not usable:
        print(f"No GPU to check: {sentence}.")
        return 4
    try:
        driver = open_driver()
    except BackendError as error:
        print(f"No GPU to check: {error}")
        return 4
    found = check(driver, ROOT / "docs" / "gpu_results", Budget(SECONDS), PARTS)
    print(report.markdown(found))
    return 0 if found["correct"] else 1


if __name__ == "__main__":
    sys.exit(main())
