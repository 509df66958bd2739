"""dscompress export: a trained model becomes a .dsf file."""

from __future__ import annotations

import time

import click

from dscompress.cli import Command, extras, show
from dscompress.cli.options import PREPROCESS, json_option, quiet_option, section, source_options
from dscompress.metadata import RESERVED

MOST_WARNINGS = 10
MOST_LAYERS = 30

MEANINGS = ("logits", "probabilities", "scores", "embedding")  # as in compile/meaning.py, which would load onnx_ir


def key_value(context, parameter, values):
    """KEY=VALUE, repeated, as a dict."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not KEY=VALUE.")
        if key.startswith(RESERVED):
            raise click.BadParameter(
                f"'{key}' begins with '{RESERVED}', under which export itself says what SOURCE was."
            )
        found[key] = value
    return found


@click.command("export", cls=Command, short_help="Turn a trained model into a .dsf file.")
@click.argument("source", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE.dsf",
    help="Where to write.  [default: SOURCE with .dsf, in the current folder]",
)
@click.option("--require-shift", is_flag=True, help="Fail if the weight of a conv or linear layer stays float.")
@section(
    "What else the file says",
    PREPROCESS,
    click.option(
        "--labels",
        type=click.Path(),
        metavar="FILE",
        help="The names of the classes: a UTF-8 text file with one a line.",
    ),
    click.option(
        "--meaning",
        multiple=True,
        type=click.Choice(MEANINGS),
        help="What the output's numbers are, where the network's last operator does not say it: logits "
        "become probabilities by a softmax, scores are shown as they are. Repeatable: once per "
        "output, in order.",
    ),
    click.option(
        "--name", metavar="NAME", help="The model's name.  [default: the network's, or SOURCE without its ending]"
    ),
    click.option(
        "--metadata",
        multiple=True,
        callback=key_value,
        metavar="KEY=VALUE",
        help="Anything else to keep in the file. Repeatable.",
    ),
)
@source_options
@json_option
@quiet_option
def command(source, output, factory, as_json, **settings):
    """Turn SOURCE into a .dsf file.

    SOURCE is an .onnx file, a torch.export archive (.pt2), a checkpoint of DeepShift or of another known network, a
    state_dict, a checkpoint that holds one or a .safetensors file (with --model), or a pickled module or TorchScript
    (with --trust-pickle); its content says which. Weights that are powers of two, up to a scale per channel, take 1 to
    6 bits; decoding gives the source's floats bit for bit. An existing FILE.dsf is replaced in one step: whatever
    happens, there is the old file or the new one.

    \b
    Example:
      dscompress export model.onnx -o model.dsf
      dscompress export shift_ps_all_wb_5/checkpoint.pth.tar -o resnet18.dsf
      dscompress export resnet18.pt -o resnet18.dsf \\
          --model torchvision.models:resnet18 --preprocess imagenet \\
          --labels imagenet.txt --meaning logits
    """
    extras.require("export", "compiler", only=("PyTorch", "ONNX", "onnx-ir", "ONNX Script"))
    from pathlib import Path

    output = output or Path(source.removesuffix(".tar")).with_suffix(".dsf").name
    with show.progress(f"Exporting {source}") as advance:
        clock = Clock(lambda step: advance(label=f"Exporting {source}: {step}"))
        from dscompress import compile_model

        report = compile_model(source, output, model=factory, on_step=clock.begin, **settings)
        seconds = clock.end()
    if as_json:
        show.as_json(as_data(source, report, seconds))
    elif not show.is_quiet():
        print_report(source, report, seconds)


class Clock:
    """Seconds of each step, from its beginning to the next one's. The first step is the loading of PyTorch."""

    def __init__(self, tell) -> None:
        self.tell = tell
        self.seconds: dict[str, float] = {}
        self.begin("load")

    def begin(self, step: str) -> None:
        self.end()
        self.step, self.started = step, time.perf_counter()
        self.tell(step)

    def end(self) -> dict[str, float]:
        if hasattr(self, "step"):
            self.seconds[self.step] = time.perf_counter() - self.started
        return self.seconds


def as_data(source, report, seconds: dict[str, float]) -> dict:
    data = report.as_dict()
    data["ledger"] = data.pop("rows")
    return {
        "source": str(source),
        **data,
        "float32_bytes": float_bytes(report),
        "seconds": sum(seconds.values()),
        "seconds_by_step": seconds,
    }


def float_bytes(report) -> int:
    """What the weights would take as floats."""
    from math import prod

    return sum(4 * prod(row.shape) for row in report.rows if row.section == "weight" and row.dtype == "float32")


def print_layers(layers) -> None:
    """What rounding a DeepShift checkpoint did, layer by layer."""
    show.line()
    rows = [
        (
            layer.name,
            layer.bits,
            f"{layer.weights:,}",
            f"{layer.moved:,}",
            f"{layer.zeros:,}",
            "" if layer.lowest is None else f"2^{layer.lowest} … 2^{layer.highest}",
        )
        for layer in layers[:MOST_LAYERS]
    ]
    show.table(("shift layer", "bits>", "weights>", "moved>", "zeros>", "magnitudes>"), rows)
    if len(layers) > MOST_LAYERS:
        show.line(f"and {len(layers) - MOST_LAYERS} layers more; --json lists all")


def print_report(source, report, seconds: dict[str, float]) -> None:
    from dscompress.compile.report import ALL_FLOAT, counted

    bits = "" if report.bits_per_weight is None else f"{report.bits_per_weight:.2f} bits per conv and linear weight"
    floats = len(report.float_weights)
    stayed = f"{floats} of conv and linear layers stayed float" if floats else ""
    show.fields(
        [
            ("source", f"{source} ({report.kind})"),
            ("written", f"{report.path}: {report.name}, {counted(report.nodes, 'node')}"),
            ("size", show.size_beside(report.bytes, float_bytes(report))),
            ("weights", ", ".join(filter(None, [f"{report.shift_weights} as shift", stayed, bits]))),
            (
                "time",
                f"{sum(seconds.values()):.1f} s: "
                + ", ".join(f"{step} {spent:.1f}" for step, spent in seconds.items() if spent >= 0.05),
            ),
        ]
    )
    if report.imported is not None and report.imported.layers:
        print_layers(report.imported.layers)
    for text in report.notes:
        show.note(text, lead="note: ")
    if report.all_float:
        show.warn(ALL_FLOAT)
        return
    for weight in report.float_weights[:MOST_WARNINGS]:
        inside = f" in module {weight.module}" if weight.module else ""
        show.warn(f"weight '{weight.name}' {weight.shape} of {weight.op}{inside} stayed float: {weight.reason}")
    if len(report.float_weights) > MOST_WARNINGS:
        show.warn(f"{len(report.float_weights) - MOST_WARNINGS} more; dscompress inspect {report.path} lists all")
