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
import time
from pathlib import Path

import numpy as np

from dsruntime import Model
from dsruntime.backends.cuda.driver import active
from dsruntime.backends.cuda.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
COPIES, REPEATS, RUNS = 4, 20, 50  # copies of the weights, runs in one graph, graphs timed
DEVICE = "cuda"
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
    return {"rows": list(compared(driver, budget, "fully connected", data, net, (inputs,), batches, runs))}


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
        rows += compared(driver, budget, name, data, net, (3, 224, 224), batches, runs)
    return {"rows": rows}


def shift_bytes(net, shape) -> bytes:
    from dscompress.nn import bake, convert

    converted, _ = convert(copy.deepcopy(net), "ps", 5)
    return bytes(compile_model(bake(converted).eval(), shape))


def compile_model(net, shape):
    import dscompress

    return dscompress.compile_model(net, input_shape=shape).data


def compared(driver, budget, name, data, net, shape, batches, runs):
    for batch in batches:
        ours, host = our_times(driver, data, shape, batch, runs)
        row = {"model": name, "batch": batch, "ours, µs": ours * 1e6, "host to host, µs": host * 1e6}
        for peer, seconds in torch_times(net, shape, batch, runs, budget).items():
            measured = isinstance(seconds, float)
            row[f"{peer}, µs"] = seconds * 1e6 if measured else f"not measured: {seconds}"
            if measured:
                row[f"{peer} / ours"] = seconds / ours
        yield row


def our_times(driver, data: bytes, shape, batch: int, runs: int) -> tuple[float, float]:
    """Seconds of one run on the GPU, and of run() from host array to host array; each copy has weights of its own."""
    x = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    runners = [Runner(Model.open(data), driver=driver) for _ in range(COPIES)]
    try:
        for runner in runners:
            runner.run([x], batch)
        return timed(driver, runners, runs), host_to_host(runners, x, batch, runs)
    finally:
        for runner in runners:
            runner.close()


def timed(driver, runners, runs: int) -> float:
    """One graph holds REPEATS runs, the copies in turn: what starting a graph costs does not show."""
    with active(driver):
        stream = runners[0].stream
        driver.begin_capture(stream)
        for i in range(REPEATS):
            runners[i % COPIES].last.queue_steps(stream)
        graph = driver.end_capture(stream)
        driver.run_graph(graph, stream)
        events = [driver.event() for _ in range(runs + 1)]
        driver.record(events[0], stream)
        for event in events[1:]:
            driver.run_graph(graph, stream)
            driver.record(event, stream)
        driver.synchronize(stream)
        times = [driver.seconds(a, b) / REPEATS for a, b in zip(events, events[1:], strict=False)]
        for event in events:
            driver.release_event(event)
        driver.release_graph(graph)
    return statistics.median(times)


def host_to_host(runners, x, batch: int, runs: int) -> float:
    times = []
    for i in range(COPIES * 2 + runs):
        started = time.perf_counter()
        runners[i % COPIES].run([x], batch)
        times.append(time.perf_counter() - started)
    return statistics.median(times[COPIES * 2 :])


def torch_times(net, shape, batch: int, runs: int, budget) -> dict:
    """peer → seconds, or the reason why not."""
    import torch

    if not torch.cuda.is_available():
        return {"torch": f"torch {torch.__version__} has no CUDA"}
    x = torch.randn(batch, *shape).half().to(DEVICE)
    if len(shape) == 3:
        x = x.contiguous(memory_format=torch.channels_last)
    nets = [on_gpu(net, len(shape) == 3) for _ in range(COPIES)]
    peers = {"torch eager": lambda: (eager(nets, x), runs, COPIES),
             "torch graph": lambda: (graphed(nets, x), runs, REPEATS)}
    if budget.left() > 200 and batch == 1:
        peers["torch.compile"] = lambda: (graphed([torch.compile(n) for n in nets], x), runs, REPEATS)
    found: dict = {}
    for name, make in peers.items():
        try:
            with torch.inference_mode():
                found[name] = torch_timed(*make())
        except Exception as error:  # a peer that fails is named, the rest goes on
            found[name] = f"{type(error).__name__}: {str(error)[:120]}"
    return found


def eager(nets, x):
    return lambda: [net(x) for net in nets]


def graphed(nets, x):
    """A CUDA graph of REPEATS calls, the copies in turn."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            for net in nets:
                net(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(REPEATS):
            nets[i % COPIES](x)
    return graph.replay


def torch_timed(function, runs: int, calls: int) -> float:
    """function makes so many calls of the network."""
    import torch

    function()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    events[0].record()
    for event in events[1:]:
        function()
        event.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(events, events[1:], strict=False)) / 1000 / calls


def on_gpu(net, images: bool):
    import torch

    moved = copy.deepcopy(net).half().to(DEVICE).eval()
    return moved.to(memory_format=torch.channels_last) if images else moved


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
