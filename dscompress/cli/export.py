"""dscompress export: a trained model becomes a .dsf file."""

from __future__ import annotations

import click

from dscompress.cli import extras, show
from dscompress.cli.options import json_option, quiet_option, source_options


def key_value(context, parameter, values):
    """KEY=VALUE, repeated, as a dict."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not KEY=VALUE.")
        found[key] = value
    return found


@click.command("export", short_help="Turn a trained model into a .dsf file.")
@click.argument("source", type=click.Path())
@click.option("-o", "--output", type=click.Path(), metavar="FILE.dsf",
              help="Where to write.  [default: SOURCE with .dsf, in the current folder]")
@source_options
@click.option("--preprocess", metavar="RECIPE", help="How an image becomes the input: imagenet, digits, or a JSON file.")
@click.option("--labels", type=click.Path(), metavar="FILE", help="Names of the classes, one a line, UTF-8.")
@click.option("--name", help="Name of the model in the file.  [default: SOURCE without its ending]")
@click.option("--require-shift", is_flag=True, help="Fail if the weight of a conv or linear layer stays float.")
@click.option("--metadata", multiple=True, callback=key_value, metavar="KEY=VALUE",
              help="Anything to keep in the file; as often as needed.")
@json_option
@quiet_option
def command(source, output, as_json, **settings):
    """Turn SOURCE into a .dsf file.

    SOURCE is an .onnx file, a torch.export archive (.pt2), a state_dict or a checkpoint that holds one (with --model),
    or a pickled module (with --trust-pickle); its content says which. Weights that are powers of two, up to a scale per
    channel, take 1 to 6 bits; decoding gives the source's floats bit for bit. An existing FILE.dsf is replaced in one
    step: whatever happens, there is the old file or the new one.

    \b
    Example:
      dscompress export model.onnx -o model.dsf
      dscompress export resnet18.pt -o resnet18.dsf --model torchvision.models:resnet18 \\
          --input-shape 1,3,224,224 --preprocess imagenet --labels imagenet.txt
    """
    extras.require("export", "compiler", only=("PyTorch", "ONNX", "onnx-ir", "ONNX Script"))
    import time
    from pathlib import Path

    from dscompress import compile_model

    output = output or Path(source).with_suffix(".dsf").name
    started = time.perf_counter()
    with show.progress(f"Exporting {source}"):
        report = compile_model(source, output, **arguments(settings))
    seconds = time.perf_counter() - started
    if as_json:
        show.as_json({**report.as_dict(), "seconds": seconds})
        return
    if not show.is_quiet():
        print_report(source, output, report, seconds)
