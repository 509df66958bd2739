"""bench: how fast a .dsf runs here: latency, load time, memory, time per op, and the same for ONNX Runtime.

Random input; after `warmup` runs that are not counted, `runs` are timed one by one. Against ONNX Runtime the two take
turns in one process, A B A B, with the same input and as many threads, so that a busy machine slows both alike. ONNX
Runtime's threads are told to stop spinning when their work is done, or they would take a processor of the other's turn.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dsruntime import ModelError
from dsruntime.backends.runner import Arithmetic, Step
from dsruntime.model import Limits, Model

PAUSE = 0.01  # seconds between turns


@dataclass(frozen=True)
class Latency:
    """Seconds; p10 and p90 hold eight runs of ten between them."""

    median: float
    least: float
    p10: float
    p90: float
    mean: float
    runs: int


@dataclass(frozen=True)
class Op:
    """Median seconds of one step of the plan, and its share of all steps."""

    op: str
    node: str
    module: str
    kernel: str
    seconds: float
    share: float
    arithmetic: Arithmetic


@dataclass
class Bench:
    model: str
    backend: str
    threads: int
    batch: int
    memory: str
    precision: str
    isa: str  # instruction set of the cpu backend's kernels, "" for other backends
    load_seconds: float
    session_seconds: float  # with the first run, which makes the plan
    latency: Latency
    arena_bytes: int | None = None  # activations of one session, where the backend says
    peak_bytes: int = 0  # resident memory of the whole process at its largest
    ops: list[Op] = field(default_factory=list)
    peer: str = ""
    peer_session_seconds: float | None = None
    peer_latency: Latency | None = None
    ratio: float | None = None  # median of ours / median of the peer's

    def as_dict(self) -> dict:
        return asdict(self)


def bench_model(
    path,
    *,
    backend: str = "auto",
    threads: int | None = None,
    memory: str = "fast",
    precision: str = "float32",
    limits: Limits | None = None,
    batch: int = 1,
    runs: int = 50,
    warmup: int = 5,
    profile: bool = False,
    onnx=None,
    advance: Callable[..., None] = lambda count=1, label=None: None,
) -> Bench:
    """Times the model; with onnx, the path of an .onnx file, ONNX Runtime on that file as well."""
    started = time.perf_counter()
    model = Model.open(path, limits=limits)
    loaded = time.perf_counter()
    feed = random_feed(model, batch)
    ready = time.perf_counter()
    options: dict[str, Any] = {"memory": memory, "precision": precision}
    session = model.session(backend, threads, **options)
    session.run(feed)
    found = Bench(
        str(path),
        session.backend,
        session.threads,
        batch,
        memory,
        precision,
        kernels_of(session.backend),
        loaded - started,
        time.perf_counter() - ready,
        latency([0.0]),
    )
    turns = [lambda: session.run(feed)]
    if onnx is not None:
        begun = time.perf_counter()
        run_peer, found.peer = open_peer(onnx, session.threads, feed)
        found.peer_session_seconds = time.perf_counter() - begun
        turns.append(run_peer)

    times = take_turns(turns, runs, warmup, advance)
    found.latency = latency(times[0])
    if onnx is not None:
        found.peer_latency = latency(times[1])
        found.ratio = found.latency.median / found.peer_latency.median
    found.arena_bytes = session.arena_bytes()
    session.close()
    if profile:
        found.ops = profile_ops(model, backend, threads, options, feed, warmup, min(runs, 20), advance)
    found.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


def take_turns(turns, runs: int, warmup: int, advance) -> list[list[float]]:
    """Seconds of each run of each; the warm-up is left out."""
    times: list[list[float]] = [[] for _ in turns]
    for i in range(warmup + runs):
        for turn, seconds in zip(turns, times, strict=True):
            if len(turns) > 1:
                time.sleep(PAUSE)
            started = time.perf_counter()
            turn()
            if i >= warmup:
                seconds.append(time.perf_counter() - started)
        advance()
    return times


def latency(seconds: list[float]) -> Latency:
    p10, median, p90 = np.percentile(seconds, (10, 50, 90)).tolist()
    return Latency(median, min(seconds), p10, p90, float(np.mean(seconds)), len(seconds))


def random_feed(model: Model, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Normally distributed floats and zeros for integers, in the shapes that the model takes at this batch size."""
    numbers = np.random.default_rng(seed)
    feed = {}
    for info in model.inputs:
        fixed = info.shape[0] if info.shape and isinstance(info.shape[0], int) else None
        if fixed is not None and batch not in (1, fixed):
            raise ModelError(
                f"input '{info.name}'",
                f"a batch of {batch}",
                f"{fixed}, to which this model is fixed",
                "leave --batch out, or export a source whose batch is dynamic, without --no-dynamic-batch",
            )
        shape = tuple(d if isinstance(d, int) else int(d[:-1] or 1) * batch for d in info.shape)
        floats = info.dtype.startswith("float")
        feed[info.name] = numbers.standard_normal(shape).astype(info.dtype) if floats else np.zeros(shape, info.dtype)
    return feed


def kernels_of(backend: str) -> str:
    from dsruntime import library

    return library.library().dsf_isa().decode() if backend == "cpu" else ""


def profile_ops(
    model: Model, backend: str, threads: int | None, options: dict, feed, warmup: int, runs: int, advance
) -> list[Op]:
    """Each step's median over several profiled runs, the slowest first."""
    collected: list[list[Step]] = []
    with model.session(backend, threads, profile=True, **options) as session:
        for i in range(warmup + runs):
            session.run(feed)
            if i >= warmup:
                collected.append(session.profile())
            advance()
    seconds = [float(np.median([run[i].seconds for run in collected])) for i in range(len(collected[0]))]
    whole = sum(seconds) or 1.0
    ops = [
        Op(step.op, step.node, step.module, step.kernel, spent, spent / whole, step.arithmetic)
        for step, spent in zip(collected[0], seconds, strict=True)
    ]
    return sorted(ops, key=lambda op: -op.seconds)


def open_peer(path, threads: int, feed):
    """ONNX Runtime with its own optimisations: something to call, and its name with version."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class but Exception
        raise ModelError(
            str(path),
            f"ONNX Runtime cannot load it ({' '.join(str(error).split())[:200]})",
            "an .onnx file",
            "export the model to ONNX with torch.onnx.export",
        ) from None
    theirs = [entry.name for entry in session.get_inputs()]
    if len(theirs) != len(feed):
        raise ModelError(
            str(path), f"{len(theirs)} inputs", f"{len(feed)}, as the .dsf has", "give the .onnx file of the same model"
        )
    arrays = feed if set(theirs) == set(feed) else dict(zip(theirs, feed.values(), strict=True))
    try:
        session.run(None, arrays)
    except Exception as error:
        raise ModelError(
            str(path),
            f"ONNX Runtime cannot run it on the .dsf's input ({' '.join(str(error).split())[:200]})",
            "the .onnx file of the same model",
            "export the .onnx with the same input shape",
        ) from None
    return (lambda: session.run(None, arrays)), f"onnxruntime {onnxruntime.__version__}"
