"""dscompress verify: is the .dsf the model it was made from?"""

from __future__ import annotations

import math

import click

from dscompress.cli import CHANGED_BY_IMPORT, DIFFERENT, Command, extras, show
from dscompress.cli.options import Number, json_option, model_argument, quiet_option, run_options, source_options

MOST_CHANGES = 3


@click.command("verify", cls=Command, short_help="Compare a .dsf with the model it was made from.")
@model_argument
@click.argument("source", type=click.Path())
@click.option("--layers", is_flag=True, help="List every layer with its error, and go on after the first bad one.")
@click.option(
    "--inputs",
    type=click.Path(),
    metavar="FILE.npy",
    help="Compare on these inputs, one after another on axis 0.  [default: random ones]",
)
@click.option(
    "--samples",
    type=Number(int, 1),
    metavar="COUNT",
    help="How many inputs to compare on; of --inputs, evenly from all there are.  [default: 8 random ones, "
    "or all of --inputs]",
)
@click.option(
    "--seed",
    type=Number(int, 0),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="Where the random inputs begin: another seed gives others.",
)
@source_options
@run_options
@json_option
@quiet_option
@click.pass_context
def command(
    context,
    /,
    model,
    source,
    samples,
    inputs,
    seed,
    backend,
    threads,
    memory,
    precision,
    limits,
    layers,
    as_json,
    factory,
    **settings,
):
    """Compare MODEL (.dsf) with SOURCE, the file it was made from, by ONNX Runtime.

    Every weight must be the source's, bit for bit. Every layer must be within a bound computed from its own inputs and
    weights; the first one that is not is named. --layers shows how much of its bound each layer's error is; "passed on"
    is an error that came with the layer's inputs, to which it adds none of its own. Give the same source options as to
    export. Exit code 0: the same model; 1: different; 5: what the import makes of SOURCE, but it had to change weights.

    \b
    Example:
      dscompress verify model.dsf model.onnx
      dscompress verify resnet18.dsf resnet18.pt \\
          --model torchvision.models:resnet18
    """
    extras.require("verify", "compiler")
    from dscompress.capture import CaptureOptions
    from dscompress.cli.arrays import load_array
    from dscompress.verify import verify_model
    from dsruntime import Limits

    given = None if inputs is None else load_array(inputs)
    with show.progress("Verifying") as advance:
        found = verify_model(
            model,
            source,
            CaptureOptions(model=factory, **settings),
            samples=samples,
            inputs=given,
            seed=seed,
            backend=backend,
            threads=threads,
            memory=memory,
            precision=precision,
            limits=Limits(**limits),
            every_layer=layers,
            advance=advance,
        )
    if as_json:
        show.as_json(found.as_dict())
    else:
        print_verification(found, layers)
    if not found.same:
        context.exit(CHANGED_BY_IMPORT if found.as_imported else DIFFERENT)


def print_verification(found, every_layer: bool) -> None:
    for text in found.warnings:
        show.warn(text)
    for text in found.notes if found.changes else ():
        show.note(text, lead="note: ")
    if not show.is_quiet() and not found.mismatch:
        print_details(found, every_layer)
    if found.same:
        show.line(f"{found.model} is {found.source}", lead="same: ", fg="green")
    elif found.as_imported:
        show.line(changed_by_import(found), lead="changed: ", fg="yellow")
    for number, reason in enumerate(reasons(found)):
        show.line(reason, lead="           " if number else "different: ", fg="red")


def print_details(found, every_layer: bool) -> None:
    different = len(found.different_weights)
    equal = "as the import made them" if found.changes else "equal"
    weights = f"{different} of {found.weights} differ" if different else f"all {found.weights} {equal}, bit for bit"
    checked = [layer for layer in found.layers if layer.within]
    within = f"{len(checked)} of {len(found.layers)} compared are within their bound"
    pairs = [("weights", weights), ("layers", within + noisiest(found.layers))]
    if found.unchecked:
        pairs.append(("", f"{len(found.unchecked)} not compared by themselves: {', '.join(found.unchecked[:5])}"))
    for output in found.outputs:
        top1 = "" if output.top1 is None else f", top-1 agreement {output.top1:.2%}"
        pairs.append(
            (
                f"output {output.name}",
                (
                    f"largest error {output.error:.3g}, signal to noise "
                    f"{show.decibels(output.snr)}{top1} ({found.samples} input{'' if found.samples == 1 else 's'})"
                ),
            )
        )
    show.fields(pairs)
    if every_layer:
        show.line()
        rows = [
            (
                layer.node,
                layer.op,
                f"{layer.error:.3g}",
                show.decibels(layer.snr),
                of_bound(layer),
                "" if layer.within else "BAD",
                layer.module,
            )
            for layer in found.layers
        ]
        show.table(("node", "op", "max error>", "SNR>", "× bound>", "", "module?"), rows)


def of_bound(layer) -> str:
    """How much of its bound a layer's error is. Of one that adds nothing to the error of its inputs this would be 1."""
    if not layer.error:
        return ""
    text = f"{layer.ratio:.2g}"
    return "passed on" if layer.within and text == "1" else text


def noisiest(layers) -> str:
    """What the layers line says about the worst of them."""
    if not layers:
        return ""
    worst = min(layers, key=lambda layer: layer.snr)
    if worst.snr == math.inf:
        return "; every value is equal"
    return f"; lowest signal to noise: {show.decibels(worst.snr)} at {worst.node}"


def reasons(found) -> list[str]:
    """Why it is not the same: what is wrong first."""
    lines = []
    if found.mismatch:
        lines.append(found.mismatch)
    if found.different_weights:
        first = found.different_weights[0]
        lines.append(
            f"weight '{first.name}'{of(first)} is not the source's: {first.different} of {first.elements} "
            f"values differ, the first at {list(first.index)}: {first.found!r} instead of {first.expected!r}"
        )
    if found.first_bad:
        bad = found.first_bad
        lines.append(
            f"the first layer out of its bound is '{bad.node}' ({bad.op}){where(bad)}: value '{bad.value}' is "
            f"{bad.error:.3g} away, {bad.ratio:.3g} × the bound of {bad.bound:.3g} (signal to noise "
            f"{show.decibels(bad.snr)})"
        )
    if found.apart:
        lines.append(found.apart)
    if found.different_weights and found.weights > 1 and 2 * len(found.different_weights) > found.weights:
        lines.append(
            f"{len(found.different_weights)} of {found.weights} weights differ: {found.source} looks like "
            "another checkpoint of the same network"
        )
    return lines


def changed_by_import(found) -> str:
    """What the import made other numbers of than the source's own, the most changed first."""
    different = sum(change.different for change in found.changes)
    elements = sum(change.elements for change in found.changes)
    most = sorted(found.changes, key=lambda change: -change.different)
    named = ", ".join(f"'{c.name}' {c.different:,} of {c.elements:,}" for c in most[:MOST_CHANGES])
    more = f", and {len(most) - MOST_CHANGES} tensors more" if len(most) > MOST_CHANGES else ""
    numbers = f"{different:,} of {elements:,} numbers in {len(most)} tensor{'s' * (len(most) > 1)}"
    made = f"{found.model} is what the import makes of {found.source}"
    return f"{made}, but {numbers} are not the source's own: {named}{more}"


def of(weight) -> str:
    return f" of '{weight.node}' ({weight.op}){where(weight)}" if weight.node else ""


def where(entry) -> str:
    return f" in module {entry.module}" if entry.module else ""
