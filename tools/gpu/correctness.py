"""Right answers: every kernel, small networks, the zoo; each against the reference, within a computed bound."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from dsruntime import Model
from dsruntime.backends.cuda.runner import Runner
from dsruntime.backends.reference.ops import OPS
from tools.gpu.parts import is_failure, words

ROOT = Path(__file__).resolve().parents[2]
WORST = 20  # failures that are kept, in words


def kernels(driver, budget, ops=None) -> dict:
    """The cases of tests/ops. An op's cases run as launches, then as a recorded graph, from poisoned memory."""
    failures, count, skipped = [], 0, 0
    for op in sorted(ops or OPS):
        for case in importlib.import_module(f"tests.ops.test_{op}").CASES:
            outcome = run_case(driver, op, case)
            count += outcome is not None
            skipped += outcome is None
            if outcome:
                failures.append(outcome)
    return {"correct": not failures, "cases": count, "beyond float16": skipped, "failures": failures[:WORST]}


def run_case(driver, op: str, case) -> str | None:
    """ "" if it agrees, else what is wrong; None for inputs that float16 cannot hold."""
    from tests.cuda.halves import fits
    from tests.cuda.test_ops import case_runs

    if not fits(*case.inputs):
        return None
    try:
        case_runs(driver, op, case)
    except TimeoutError:
        raise
    except BaseException as error:  # one op's mistake must not hide the others
        if not is_failure(error):
            raise
        return f"{op} {case}: {words(error)}"
    return ""


def networks(driver, budget, names=None) -> dict:
    """Small networks of every family (tests/cuda/networks.py), at several batch sizes."""
    from tests.cuda.networks import NETWORKS, compiled
    from tests.cuda.test_networks import network_agrees

    results = {}
    for name in names or NETWORKS:
        try:
            network_agrees(driver, *compiled(name))
            results[name] = "agrees"
        except Exception as error:
            results[name] = words(error)
    return {"correct": all(result == "agrees" for result in results.values()), "networks": results}


def zoo(driver, budget, names=None) -> dict:
    """torchvision's networks on photographs: distance from the reference beside what halves explain, and top-1."""
    zoo_module = importlib.import_module("tools.zoo")
    results: dict = {}
    for name in names or sorted(zoo_module.METHOD_OF, key=lambda name: name.startswith(("vgg", "vit", "alex"))):
        if budget.left() < 15:
            results[name] = {"left out": "no time was left"}
            continue
        try:
            results[name] = one_of_the_zoo(driver, zoo_module, name)
        except TimeoutError as error:
            results[name] = {"left out": str(error)}
        except Exception as error:
            results[name] = {"within": False, "broke": words(error)}
    return {"correct": all(result.get("within", True) for result in results.values()), "models": results}


def one_of_the_zoo(driver, zoo_module, name: str) -> dict:
    import dscompress
    from tests.cuda.test_networks import rounded_run

    images = zoo_module.photographs(2)
    net = zoo_module.shift_model(name)
    model = Model.open(dscompress.compile_model(net, input_shape=(1, *images.shape[1:])).data)
    expected = model.session("reference").run(images)
    noise = float(np.abs(rounded_run(model, images) - expected).max())
    return compared(driver, model, images, expected, noise)


def compared(driver, model, images, expected, noise: float) -> dict:
    """noise: what half a step of float16 in every value does to the outputs, measured on the reference."""
    runner = Runner(model, driver=driver)
    try:
        answer = [runner.run([images], len(images))[0] for _ in range(2)][-1]
    finally:
        runner.close()
    error = float(np.abs(answer - expected).max())
    same = int((answer.argmax(1) == expected.argmax(1)).sum())
    return {"error": error, "noise": noise, "within": error <= 6 * noise, "top-1": f"{same}/{len(images)}"}


def sanitizer(driver, budget) -> dict:
    """The kernels part again under compute-sanitizer's memcheck, in a process of its own."""
    program = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if program is None:
        return {"not run": "compute-sanitizer is not installed (it is part of the CUDA toolkit)"}
    if driver.kind != 2:
        return {"not run": "no GPU: the emulation has its own checks"}
    code = (
        "import sys; from dsruntime.backends.cuda.drivers import open_driver; "
        "from tools.gpu.correctness import kernels; "
        "from tools.gpu.parts import Budget; found = kernels(open_driver(), Budget(600), "
        "['conv', 'gemm', 'mat_mul', 'max_pool', 'softmax', 'add', 'top_k']); "
        "print(found['failures']); sys.exit(not found['correct'])"
    )
    seconds = max(5, budget.left() - 5)
    try:
        done = subprocess.run(
            [program, "--tool", "memcheck", "--error-exitcode", "9", sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"not run": f"it did not end within {seconds:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("=========")]
    more = {} if done.returncode == 0 else {"output": lines[:12], "errors": done.stderr[-500:]}
    return {
        "correct": done.returncode == 0,
        "exit code": done.returncode,
        "summary": lines[-1:] or ["no summary"],
        **more,
    }
