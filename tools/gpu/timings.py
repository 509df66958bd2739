"""Times on the GPU's own clock: medians of many runs over four copies of the weights in turn, so that no copy stays in
the cache from one run to the next; ours and torch's alike, both as CUDA graphs whose inputs are on the GPU already."""

from __future__ import annotations

import copy
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dsruntime import Model
from dsruntime.backends.cuda.driver import active
from dsruntime.backends.cuda.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
COPIES, WARMUP, RUNS = 4, 8, 200
FULLY_CONNECTED = (25088, 4096, (1, 2, 4, 8))
MODELS = (("resnet18", (1, 8, 64)), ("resnet50", (1, 8, 64)), ("vgg16", (1, 8, 64)))


def fully_connected(driver, budget, sizes=FULLY_CONNECTED, runs=RUNS) -> dict:
    """VGG16's first layer, 5-bit weights, against torch's float16 linear (cuBLAS)."""
    import torch
    from torch import nn

    inputs, outputs, batches = sizes
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(inputs, outputs)).eval()
    data = shift_bytes(net, (1, inputs))
    return {"rows": list(compared(driver, budget, "fully connected", data, net, (inputs,), batches, runs, eager=True))}


def models(driver, budget, models=MODELS, runs=RUNS) -> dict:
    """Whole networks against torch float16, channels_last."""
    zoo = importlib.import_module("tools.zoo")
    rows: list[dict] = []
    for name, batches in models:
        if budget.left() < 60:
            rows.append({"model": name, "not measured": "no time was left"})
            continue
        net = zoo.shift_model(name)
        data = bytes(compile_model(net, (1, 3, 224, 224)))
        rows += compared(driver, budget, name, data, net, (3, 224, 224), batches, runs, eager=True)
    return {"rows": rows}


def shift_bytes(net, shape) -> bytes:
    from dscompress.nn import bake, convert

    converted, _ = convert(copy.deepcopy(net), "ps", 5)
    return bytes(compile_model(bake(converted).eval(), shape))


def compile_model(net, shape):
    import dscompress

    return dscompress.compile_model(net, input_shape=shape).data


def compared(driver, budget, name, data, net, shape, batches, runs, eager):
    for batch in batches:
        ours = our_times(driver, data, shape, batch, runs)
        row = {"model": name, "batch": batch, "ours, µs": ours * 1e6}
        for peer, seconds in torch_times(net, shape, batch, runs, budget).items():
            measured = isinstance(seconds, float)
            row[f"{peer}, µs"] = seconds * 1e6 if measured else f"not measured: {seconds}"
            if measured:
                row[f"{peer} / ours"] = seconds / ours
        yield row


def our_times(driver, data: bytes, shape, batch: int, runs: int) -> float:
    """Seconds of one run of the steps' graph; each copy of the model has weights of its own."""
    x = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    runners = [Runner(Model.open(data), driver=driver) for _ in range(COPIES)]
    try:
        for runner in runners:
            runner.run([x], batch)
        return timed(driver, runners, runs)
    finally:
        for runner in runners:
            runner.close()


def timed(driver, runners, runs: int) -> float:
    with active(driver):
        stream = runners[0].stream
        for _ in range(2):  # launched, then recorded
            for runner in runners:
                runner.last.queue("steps", runner.stream)
                driver.synchronize(runner.stream)
        events = [driver.event() for _ in range(runs + 1)]
        for i in range(WARMUP):
            runners[i % COPIES].last.queue("steps", stream)
        driver.record(events[0], stream)
        for i, event in enumerate(events[1:]):
            runners[i % COPIES].last.queue("steps", stream)
            driver.record(event, stream)
        driver.synchronize(stream)
        times = [driver.seconds(a, b) for a, b in zip(events, events[1:], strict=False)]
        for event in events:
            driver.release_event(event)
    return statistics.median(times)


def torch_times(net, shape, batch: int, runs: int, budget) -> dict:
    """peer → seconds, or the reason why not."""
    import torch

    if not torch.cuda.is_available():
        return {"torch": f"torch {torch.__version__} has no CUDA"}
    x = torch.randn(batch, *shape, device="cuda", dtype=torch.float16)
    if len(shape) == 3:
        x = x.contiguous(memory_format=torch.channels_last)
    nets = [on_gpu(net, len(shape) == 3) for _ in range(COPIES)]
    peers = {"torch eager": lambda: [lambda n=n: n(x) for n in nets],
             "torch graph": lambda: [graphed(n, x) for n in nets]}
    if budget.left() > 120 and batch in (1, 8):
        peers["torch.compile"] = lambda: [graphed(torch.compile(n), x) for n in nets]
    found: dict = {}
    for name, make in peers.items():
        try:
            with torch.inference_mode():
                found[name] = torch_timed(make(), runs)
        except Exception as error:  # a peer that fails is named, the rest goes on
            found[name] = f"{type(error).__name__}: {str(error)[:120]}"
    return found


def on_gpu(net, images: bool):
    import torch

    moved = copy.deepcopy(net).half().cuda().eval()
    return moved.to(memory_format=torch.channels_last) if images else moved


def graphed(function, x):
    """A CUDA graph of one call."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            function(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(x)
    return graph.replay


def torch_timed(functions, runs: int) -> float:
    import torch

    for i in range(WARMUP):
        functions[i % COPIES]()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    events[0].record()
    for i, event in enumerate(events[1:]):
        functions[i % COPIES]()
        event.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(events, events[1:], strict=False)) / 1000


def paper(driver, budget) -> dict:
    """The paper's comparison, by tools/bench/paper_gpu.py."""
    script = ROOT / "tools" / "bench" / "paper_gpu.py"
    if not script.exists():
        return {"not measured": f"{script.name} is not here"}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "paper.json"
        try:
            done = subprocess.run([sys.executable, script, "--json", result], cwd=ROOT, capture_output=True, text=True,
                                  timeout=max(10, budget.left() - 60))
        except subprocess.TimeoutExpired:
            return {"not measured": "it did not end in time"}
        if done.returncode or not result.exists():
            return {"not measured": (done.stderr or done.stdout)[-300:]}
        return json.loads(result.read_text())
