"""Times on the GPU's own clock: medians of many runs over copies of the weights in turn, ours and torch's alike, both
as CUDA graphs whose inputs are on the GPU already. There are so many copies, of packed codes more than of halves, that
all together are twice the L2 cache: none stays there from one run to the next."""

from __future__ import annotations

import copy
import importlib
import itertools
import statistics
import time

import numpy as np

from dsruntime import Model
from dsruntime.backends.cuda.driver import active
from dsruntime.backends.cuda.runner import Runner
from tools.gpu.parts import words

LEAST_COPIES, MOST_COPIES, REPEATS, RUNS = 4, 24, 20, 50  # copies of the weights, runs in a graph, graphs timed
DEVICE = "cuda"
IMAGE = (3, 224, 224)
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
    return judged(list(compared(driver, budget, "fully connected", data, net, (inputs,), batches, runs)))


def models(driver, budget, models=MODELS, runs=RUNS) -> dict:
    """Whole networks against torch float16, channels_last."""
    zoo = importlib.import_module("tools.zoo")
    rows: list[dict] = []
    for name, batches in models:
        if budget.left() < 20:
            rows.append({"model": name, "not measured": "no time was left"})
            continue
        try:
            net = zoo.shift_model(name)
            data = bytes(compile_model(net, (1, *IMAGE)))
        except Exception as error:
            rows.append({"model": name, "broke": words(error)})
            continue
        rows += compared(driver, budget, name, data, net, IMAGE, batches, runs)
    return judged(rows)


def judged(rows: list[dict]) -> dict:
    """A row of ours that broke is something wrong; a peer's is its own affair."""
    return {"correct": not any("broke" in row for row in rows), "rows": rows}


def shift_bytes(net, shape) -> bytes:
    from dscompress.nn import bake, convert

    converted, _ = convert(copy.deepcopy(net), "ps", 5)
    return bytes(compile_model(bake(converted).eval(), shape))


def compile_model(net, shape):
    import dscompress

    return dscompress.compile_model(net, input_shape=shape).data


def compared(driver, budget, name, data, net, shape, batches, runs):
    """One row for each batch size; what breaks in one stays there."""
    for batch in batches:
        row = {"model": name, "batch": batch}
        if budget.left() < 5:
            yield row | {"not measured": "no time was left"}
            continue
        try:
            ours, host = our_times(driver, data, shape, batch, runs)
            row |= {"ours, µs": ours * 1e6, "host to host, µs": host * 1e6}
            for peer, seconds in torch_times(net, shape, batch, runs, budget, driver.cache_bytes).items():
                measured = isinstance(seconds, float)
                row[f"{peer}, µs"] = seconds * 1e6 if measured else f"not measured: {seconds}"
                if measured:
                    row[f"{peer} / ours"] = seconds / ours
        except TimeoutError as error:
            row["not measured"] = str(error)
        except Exception as error:
            row["broke"] = words(error)
        yield row


def copies(bytes: int, cache_bytes: int, most: int = MOST_COPIES) -> int:
    """How many copies of weights of this size are twice the cache, or as many as are allowed."""
    return min(max(LEAST_COPIES, -(-2 * cache_bytes // max(bytes, 1))), most)


def repeats(count: int) -> int:
    """Runs in one graph: as often for each copy."""
    return -(-REPEATS // count) * count


def our_times(driver, data: bytes, shape, batch: int, runs: int) -> tuple[float, float]:
    """Seconds of one run on the GPU, and of run() from host array to host array; each copy has weights of its own."""
    x = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
    runners: list[Runner] = []
    try:
        for _ in range(copies(len(data), driver.cache_bytes)):
            runners.append(Runner(Model.open(data), driver=driver))
        for runner in runners:
            runner.run([x], batch)
        return timed(driver, runners, runs), host_to_host(runners, x, batch, runs)
    finally:
        for runner in runners:
            runner.close()


def timed(driver, runners, runs: int) -> float:
    """One graph holds some runs of each copy in turn: what starting a graph costs does not show."""
    count = repeats(len(runners))
    with active(driver):
        stream = runners[0].stream
        driver.begin_capture(stream)
        try:
            for i in range(count):
                runners[i % len(runners)].last.queue_steps(stream)
        finally:
            graph = driver.end_capture(stream)
        driver.run_graph(graph, stream)
        events = [driver.event() for _ in range(runs + 1)]
        driver.record(events[0], stream)
        for event in events[1:]:
            driver.run_graph(graph, stream)
            driver.record(event, stream)
        driver.synchronize(stream)
        times = [driver.seconds(a, b) / count for a, b in itertools.pairwise(events)]
        for event in events:
            driver.release_event(event)
        driver.release_graph(graph)
    return statistics.median(times)


def host_to_host(runners, x, batch: int, runs: int) -> float:
    times, warm = [], 2 * len(runners)  # the second run of each records its graph
    for i in range(warm + runs):
        started = time.perf_counter()
        runners[i % len(runners)].run([x], batch)
        times.append(time.perf_counter() - started)
    return statistics.median(times[warm:])


def torch_times(net, shape, batch: int, runs: int, budget, cache_bytes: int = 0) -> dict:
    """peer → seconds, or the reason why not."""
    import torch

    if not torch.cuda.is_available():
        return {"torch": f"torch {torch.__version__} has no CUDA"}
    x = torch.randn(batch, *shape).half().to(DEVICE)
    if len(shape) == 3:
        x = x.contiguous(memory_format=torch.channels_last)
    torch.backends.cudnn.benchmark = True  # the fastest of its kernels
    bytes = 2 * sum(parameter.numel() for parameter in net.parameters())
    nets = [on_gpu(net, len(shape) == 3) for _ in range(copies(bytes, cache_bytes, 8))]  # 8: torch.compile's own limit
    peers = {
        "torch eager": lambda: (eager(nets, x), runs, len(nets)),
        "torch graph": lambda: (graphed(nets, x), runs, repeats(len(nets))),
    }
    if budget.left() > 60 and batch == 1:
        peers["torch.compile"] = lambda: (graphed([torch.compile(n) for n in nets], x), runs, repeats(len(nets)))
    found: dict = {}
    for name, make in peers.items():
        try:
            with torch.inference_mode():
                found[name] = torch_timed(*make())
        except Exception as error:  # a peer that fails is named, the rest goes on
            found[name] = words(error)[:200]
    nets.clear()
    torch.cuda.empty_cache()  # the next models want the room
    return found


def eager(nets, x):
    return lambda: [net(x) for net in nets]


def graphed(nets, x):
    """A CUDA graph of as many calls of each copy, in turn."""
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
        for i in range(repeats(len(nets))):
            nets[i % len(nets)](x)
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
    return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(events)) / 1000 / calls


def on_gpu(net, images: bool):
    import torch

    moved = copy.deepcopy(net).half().to(DEVICE).eval()
    return moved.to(memory_format=torch.channels_last) if images else moved


def paper(driver, budget, layers=None, rounds: int = 20) -> dict:
    """The paper's comparison, by tools/bench/paper_gpu.py."""
    from tools.bench import paper_gpu

    with active(driver):
        return {"rows": paper_gpu.measured(driver, 1, rounds, layers or paper_gpu.RESNET18)}
