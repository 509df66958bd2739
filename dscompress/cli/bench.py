"""dscompress bench: how fast a .dsf runs on this machine."""

from __future__ import annotations

import click

from dscompress.cli import Command, extras, show
from dscompress.cli.options import Number, json_option, model_argument, quiet_option, run_options


@click.command("bench", cls=Command, short_help="Measure latency, load time and time per op.")
@model_argument
@click.option(
    "--batch",
    type=Number(int, 1),
    default=1,
    show_default=True,
    metavar="COUNT",
    help="How many inputs one run computes at once.",
)
@click.option(
    "--runs", type=Number(int, 1), default=50, show_default=True, metavar="COUNT", help="How many runs are timed."
)
@click.option(
    "--warmup",
    type=Number(int, 0),
    default=5,
    show_default=True,
    metavar="COUNT",
    help="How many runs come before those that are timed.",
)
@click.option("--profile", is_flag=True, help="Time each op, named by its module in the source.")
@click.option(
    "--vs",
    type=(click.Choice(("onnxruntime",)), click.Path()),
    metavar="onnxruntime FILE.onnx",
    help="Measure ONNX Runtime on this file beside it, taking turns.",
)
@run_options
@json_option
@quiet_option
def command(model, batch, runs, warmup, profile, vs, backend, threads, memory, precision, limits, as_json):
    """Measure MODEL on random input: load, session, latency; with --profile each op, with --vs a peer.

    The latency is the median of --runs; p10 to p90 hold eight runs of ten. With --vs the two take turns in one process
    with as many threads.

    \b
    Example:
      dscompress bench model.dsf --threads 2 --profile
      dscompress bench model.dsf --vs onnxruntime model.onnx --json
    """
    if vs:
        extras.require("bench --vs onnxruntime", "compiler", only=("ONNX Runtime",))
        readable(vs[1])
    from dscompress.bench import bench_model
    from dsruntime import Limits

    total = warmup + runs + (warmup + min(runs, 20) if profile else 0)
    with show.progress("Measuring", total) as advance:
        found = bench_model(
            model,
            backend=backend,
            threads=threads,
            memory=memory,
            precision=precision,
            limits=Limits(**limits),
            batch=batch,
            runs=runs,
            warmup=warmup,
            profile=profile,
            onnx=vs[1] if vs else None,
            advance=advance,
        )
    if as_json:
        show.as_json(found.as_dict())
    else:
        print_bench(found)


def readable(path) -> None:
    """A file that cannot be read is told as everywhere else, not in ONNX Runtime's words."""
    with open(path, "rb"):
        pass


def print_bench(found) -> None:
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    kernels = f" ({found.isa})" if found.isa else ""
    show.title(
        f"{found.model} on {found.backend}{kernels}, {threads}, batch {found.batch}, {found.precision}, "
        f"memory {found.memory}"
    )
    pairs = [
        ("latency", text_of(found.latency)),
        ("load", f"{show.milliseconds(found.load_seconds)}, every check included"),
        ("session", f"{show.milliseconds(found.session_seconds)}, first run included"),
    ]
    if found.arena_bytes is not None:
        pairs.append(("activations", show.size(found.arena_bytes)))
    pairs.append(("peak memory", f"{show.size(found.peak_bytes)}, the whole process"))
    if found.peer_latency is not None:
        pairs += [
            (found.peer, text_of(found.peer_latency)),
            ("its session", f"{show.milliseconds(found.peer_session_seconds)}, load and first run included"),
            ("ratio", f"{found.ratio:.2f} × the time of {found.peer}"),
        ]
    show.fields(pairs)
    if found.ops:
        show.line()
        rows = [
            (op.module or op.node, op.op, op.kernel, f"{op.share:.1%}", show.milliseconds(op.seconds))
            for op in found.ops
        ]
        show.table(("module", "op", "kernel", "share>", "time>"), rows)


def text_of(latency) -> str:
    return (
        f"{show.milliseconds(latency.median)} median of {latency.runs}, least {show.milliseconds(latency.least)}, "
        f"p10 {show.milliseconds(latency.p10)}, p90 {show.milliseconds(latency.p90)}"
    )
