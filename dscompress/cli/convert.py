"""dscompress convert: a float model becomes a power-of-two model, without training."""

from __future__ import annotations

import time

import click

from dscompress.cli import Command, extras, show
from dscompress.cli.options import (
    INPUT_SHAPE,
    NETWORK_OPTIONS,
    PREPROCESS,
    Number,
    json_option,
    layer_bits_option,
    quiet_option,
    section,
)

# As in dscompress.ptq.INGREDIENTS, which would load PyTorch.
INGREDIENTS = ("scale", "nearest", "compensate", "drift", "bias", "batch_norm")


@click.command("convert", cls=Command, short_help="Turn a float model into a power-of-two model, without training.")
@click.argument("source", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Where to write.  [default: SOURCE with _BITSbit before its ending, in the current folder]",
)
@section(
    "The inputs that show which errors matter",
    click.option(
        "--inputs",
        required=True,
        metavar="INPUTS",
        help="A few hundred unlabelled inputs: a folder of images, an .npy or .npz file, or 'digits'.",
    ),
    click.option(
        "--samples",
        type=Number(int, 1),
        default=256,
        show_default=True,
        metavar="COUNT",
        help="How many of the inputs to take, evenly from all there are.",
    ),
    PREPROCESS,
)
@section(
    "How many bits",
    click.option(
        "--bits",
        type=Number(int, 2, 5),
        metavar="BITS",
        help="Bits of a weight, 2 to 5; more would gain nothing.  [default: 4]",
    ),
    layer_bits_option,
    click.option(
        "--target-bpw",
        type=Number(float, 0, above=True),
        metavar="BITS",
        help="Spread bits over the layers so that a weight takes this many in the mean.",
    ),
    click.option(
        "--target-bytes",
        type=Number(int, 1),
        metavar="BYTES",
        help="Spread bits over the layers so that the .dsf is no longer than this.",
    ),
    click.option(
        "--allow-float", is_flag=True, help="With a target: leave layers float where that pays for its bytes."
    ),
    click.option("--sensitivity", is_flag=True, help="Show what every layer loses at 2 to 5 bits, and write nothing."),
)
@section(
    "The method",
    click.option(
        "--without",
        multiple=True,
        type=click.Choice(INGREDIENTS),
        help="Leave an ingredient of the method out. Repeatable.",
    ),
    click.option("--naive", is_flag=True, help="DeepShift's own rounding and nothing else, to compare with."),
)
@section("How SOURCE becomes a network", *NETWORK_OPTIONS, INPUT_SHAPE)
@json_option
@quiet_option
def command(
    source,
    output,
    bits,
    layer_bits,
    sensitivity,
    as_json,
    target_bpw,
    target_bytes,
    allow_float,
    without,
    naive,
    **settings,
):
    """Turn the float weights of SOURCE into powers of two with a scale for each channel.

    SOURCE is a state_dict, a checkpoint that holds one or a .safetensors file (with --model), a torch.export archive
    (.pt2), or a pickled module (with --trust-pickle). What is written is of the same kind and has the same names, so
    `export` takes it the same way. No training and no labels: a few hundred inputs show which errors matter.

    \b
    Example:
      dscompress convert net.pt2 --bits 4 --inputs inputs.npy -o net_4bit.pt2
      dscompress convert net.pt2 --target-bytes 150000 --inputs inputs.npy
      dscompress convert resnet18.pt --inputs photos/ --preprocess imagenet \\
          --model torchvision.models:resnet18 --input-shape 1,3,224,224
    """
    check_choices(bits, layer_bits, target_bpw, target_bytes, without, naive, allow_float)
    if sensitivity and (output or bits or layer_bits or target_bpw or target_bytes):
        raise click.UsageError(
            "--sensitivity tries 2 to 5 bits and writes nothing; leave --output, --bits, "
            "--layer-bits and --target-* out."
        )
    extras.require("convert", "compiler", only=("PyTorch", "ONNX", "onnx-ir", "ONNX Script"))
    started = time.perf_counter()
    with show.warnings_as_notes():
        opened, inputs = load(source, settings)
    chosen = () if naive else tuple(name for name in INGREDIENTS if name not in without)
    from dscompress.ptq import convert
    from dscompress.ptq import sensitivity as measure

    given = inputs.arrays[0] if len(inputs.arrays) == 1 else inputs.arrays
    with show.progress(f"Converting {source}") as advance:
        tell = lambda count=1, label=None: advance(count, label=f"Converting {source}: {label}" if label else None)  # noqa: E731
        if sensitivity:
            found = measure(opened.model, given, ingredients=chosen, name=str(source), advance=tell)
        else:
            plan = bits or 4
            output = output or default_output(source, None if target_bpw or target_bytes else plan)
            check_output(output)
            plan = layer_bits | {"*": layer_bits.get("*", plan)} if layer_bits else plan
            converted, report = convert(
                opened.model,
                given,
                bits=plan,
                ingredients=chosen,
                target_bpw=target_bpw,
                target_bytes=target_bytes,
                allow_float=allow_float,
                name=str(source),
                advance=tell,
            )
            opened.save(converted, output)
    seconds = time.perf_counter() - started
    if sensitivity:
        print_sensitivity(source, found, seconds, as_json)
    else:
        report.warnings[:0] = inputs.warnings
        print_conversion(opened, output, report, seconds, as_json)


def check_choices(bits, layer_bits, target_bpw, target_bytes, without, naive, allow_float) -> None:
    targets = [name for name, value in (("--target-bpw", target_bpw), ("--target-bytes", target_bytes)) if value]
    if len(targets) == 2:
        raise click.UsageError("--target-bpw and --target-bytes are two targets; give one.")
    if targets and (bits or layer_bits):
        raise click.UsageError(f"{targets[0]} chooses the bits of every layer; leave --bits and --layer-bits out.")
    if allow_float and not targets:
        raise click.UsageError("--allow-float goes with --target-bpw or --target-bytes; name layers with --layer-bits.")
    if naive and without:
        raise click.UsageError("--naive leaves every ingredient out; leave --without out.")
    for layer, value in layer_bits.items():
        if value is not None and not 2 <= value <= 5:
            raise click.BadParameter(f"'{layer}={value}' is not 2 to 5 bits.", param_hint="'--layer-bits'")


def load(source, settings):
    """The opened source, and its calibration inputs."""
    from pathlib import Path

    from dscompress.capture import CaptureOptions
    from dscompress.compile.labelling import implied_input, read_recipe
    from dscompress.ptq.calibration import load_inputs
    from dscompress.ptq.source import open_source

    inputs, preprocess, samples = (settings.pop(name) for name in ("inputs", "preprocess", "samples"))
    recipe = read_recipe(preprocess)
    options = CaptureOptions(model=settings.pop("factory"), implied_input=implied_input(recipe), **settings)
    opened = open_source(Path(source), options)
    return opened, load_inputs(inputs, opened.shapes, opened.names, recipe or opened.image, samples)


def default_output(source, bits) -> str:
    from pathlib import Path

    path = Path(source)
    return f"{path.stem}_{'mixed' if bits is None else f'{bits}bit'}{path.suffix}"


def check_output(output) -> None:
    from dscompress.atomic_file import check_target

    check_target(output)


def print_conversion(opened, output, report, seconds: float, as_json: bool) -> None:
    if as_json:
        show.as_json(
            {
                "source": str(opened.path),
                "kind": opened.kind,
                "written": str(output),
                "seconds": seconds,
                "notes": opened.notes,
                **report.as_dict(),
            }
        )
        return
    if show.is_quiet():
        return
    rows = [
        (
            layer.name,
            layer.kind,
            f"{layer.weights:,}",
            "float" if layer.bits is None else layer.bits,
            noise(layer.error),
            noise(layer.total),
        )
        for layer in report.layers
    ]
    show.title("noise over signal at each layer's output: its own, and with all before it")
    show.table(("layer", "kind?", "weights>", "bits>", "error>", "with all before>"), rows)
    show.line()
    floats = sum(4 * layer.weights for layer in report.layers)
    file = "" if report.file_bytes is None else f"; the .dsf takes {show.size(report.file_bytes)}"
    show.fields(
        [
            ("source", f"{opened.path} ({opened.kind})"),
            ("written", output),
            (
                "weights",
                (
                    f"{show.size(report.weight_bytes)} instead of {show.size(floats)}, "
                    f"{report.bits_per_weight:.2f} bits each{file}"
                ),
            ),
            (
                "answers",
                [
                    agreement(found, text)
                    for found, text in ((report.held_out, "held out"), (report.seen, "seen"))
                    if found
                ],
            ),
            ("time", f"{seconds:.1f} s"),
        ]
    )
    for text in opened.notes:
        show.note(text, lead="note: ")
    for entry in report.left:
        show.warn(f"{entry.name} ({entry.kind}) stays float: {entry.reason}")
    for text in report.warnings:
        show.warn(text)


def agreement(found, text: str) -> str:
    from dscompress.ptq.report import decibels

    top1 = "" if found.top1 is None else f"{found.top1:.2%} the same top-1, "
    return f"{top1}noise {noise_of(decibels(found.error))} on {found.inputs} inputs {text}"


def noise(ratio: float) -> str:
    from dscompress.ptq.report import decibels

    return noise_of(decibels(ratio))


def noise_of(value: float) -> str:
    return "none" if value == float("-inf") else f"{value:.1f} dB"


def print_sensitivity(source, found, seconds: float, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        show.as_json({"source": str(source), "seconds": seconds, "layers": [asdict(layer) for layer in found]})
        return
    columns = ("layer", "kind?", "weights>", *(f"{choice.bits} bits>" for choice in found[0].choices if choice.bits))
    for where, value in (("the layer's own output", "error"), ("the model's answer", "effect")):
        show.title(f"noise over signal in {where}, if that layer alone is converted")
        show.table(
            columns,
            [
                (
                    layer.name,
                    layer.kind,
                    f"{layer.weights:,}",
                    *(noise(getattr(choice, value)) for choice in layer.choices if choice.bits),
                )
                for layer in found
            ],
        )
        show.line()
    show.note(f"{seconds:.1f} s; nothing was written")
