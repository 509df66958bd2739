"""Options that several commands share, as decorators."""

from __future__ import annotations

import errno
import os

import click

from dscompress.cli import show

BACKENDS = ("auto", "reference", "cpu", "cuda")
MEMORIES = ("fast", "low")
PRECISIONS = ("float32", "bf16")


def json_option(command):
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(command)


def quiet_option(command):
    def remember(context, parameter, wanted):
        if wanted:
            show.set_quiet(True)

    return click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=remember,
                        help="Results and errors only.")(command)


def model_argument(command):
    """MODEL, a .dsf. A file that is not there is wrong input, not a machine that cannot."""

    def there(context, parameter, path):
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return path

    return click.argument("model", type=click.Path(), callback=there)(command)


def run_options(command):
    """--backend, --threads, --memory and --precision."""
    command = click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True,
                           help="What activations are multiplied in; bf16 is faster where the CPU has it.")(command)
    command = click.option("--memory", type=click.Choice(MEMORIES), default="fast", show_default=True,
                           help="low keeps weights packed where they can be decoded as they are used.")(command)
    command = click.option("--threads", type=click.IntRange(min=1), metavar="COUNT",
                           help="Threads of the cpu backend.  [default: one per processor]")(command)
    return click.option("--backend", type=click.Choice(BACKENDS), default="auto", show_default=True,
                        help="What runs the model; auto is cpu.")(command)


def source_options(command):
    """How a source file becomes a graph, as in CaptureOptions but for --model, which is `factory`."""
    for option in reversed(SOURCE_OPTIONS):
        command = option(command)
    return command


class Shape(click.ParamType):
    """1,3,224,224 (or 1x3x224x224): a shape."""

    name = "shape"

    def convert(self, value, parameter, context):
        if isinstance(value, tuple):
            return value
        try:
            dimensions = tuple(int(part) for part in value.strip("()[] ").replace("x", ",").split(",") if part.strip())
        except ValueError:
            dimensions = ()
        if not dimensions or min(dimensions) < 1:
            self.fail(f"'{value}' is no shape; write it as 1,3,224,224, the batch first.", parameter, context)
        return dimensions


class Activations(click.ParamType):
    """float, or deepshift:3.5: checked, and kept as it is written."""

    name = "activations"

    def convert(self, value, parameter, context):
        from dscompress.activations import fixed_point

        try:
            fixed_point(value)
        except ValueError as error:
            self.fail(f"{error}.", parameter, context)
        return value


class LayerBits(click.ParamType):
    """layer4.*=3 or fc=float: a layer's name or pattern, and its bits, None for float."""

    name = "layer bits"

    def convert(self, value, parameter, context):
        if isinstance(value, tuple):
            return value
        layer, equals, bits = value.rpartition("=")
        if not layer or not (bits.isdecimal() or bits == "float"):
            self.fail(f"'{value}' is not LAYER=BITS, such as 'layer4.*=3' or fc=float.", parameter, context)
        return layer, None if bits == "float" else int(bits)


def layer_bits_option(command):
    """--layer-bits, as a dict in the order in which they were given; None is float."""
    return click.option("--layer-bits", type=LayerBits(), multiple=True, metavar="LAYER=BITS",
                        callback=lambda context, parameter, values: dict(values),
                        help="Other bits for one layer, or 'float' to leave it as it is; a pattern such as "
                        "'layer4.*' for several. The first that fits counts. Repeatable.")(command)


class Json(click.ParamType):
    """A JSON object (keyword arguments) or array (positional arguments)."""

    name = "json"

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        import json

        try:
            data = json.loads(value)
        except ValueError as error:
            self.fail(f"'{value}' is no JSON ({error}); write it as '{{\"num_classes\": 10}}'.", parameter, context)
        if not isinstance(data, (dict, list)):
            self.fail(f"'{value}' is neither a JSON object nor an array; write it as '{{\"num_classes\": 10}}'.",
                      parameter, context)
        return data


NETWORK_OPTIONS = (
    click.option("--model", "factory", metavar="MODULE:CALLABLE",
                 help="Builds the network that a state_dict belongs to: torchvision.models:resnet18."),
    click.option("--model-args", type=Json(), metavar="JSON", help="Arguments of --model: '{\"num_classes\": 10}'."),
    click.option("--trust-pickle", is_flag=True,
                 help="Load a pickled module or a TorchScript archive. This runs code from the file: only for "
                 "files you made."),
)
DEEPSHIFT_OPTIONS = (
    click.option("--bits", type=click.IntRange(2, 8), metavar="BITS",
                 help="Bits of a DeepShift checkpoint's weights, where its folder does not say them."),
    click.option("--method", type=click.Choice(("q", "ps")), help="Its method, likewise."),
    click.option("--sign-threshold", type=click.FloatRange(0, 1, max_open=True), metavar="NUMBER",
                 help="PS: a weight is 0 where |sign| is not above it.  [default: 0.5]"),
    click.option("--activations", type=Activations(), metavar="FORM",
                 help="How the shift layers of a DeepShift checkpoint round inputs, where its folder does not say: "
                 "float, or deepshift:3.5 for 3 integer bits, the sign among them, and 5 fraction bits."),
)
INPUT_SHAPE = click.option("--input-shape", type=Shape(), multiple=True, metavar="SHAPE",
                           help="Shape of the input, batch first: 1,3,224,224. Once per input, in order.")
DYNAMIC_BATCH = click.option("--dynamic-batch/--no-dynamic-batch", default=True, show_default=True,
                             help="Leave the batch size open, or fix it to the one of the input shape.")
SOURCE_OPTIONS = (*NETWORK_OPTIONS, *DEEPSHIFT_OPTIONS, INPUT_SHAPE, DYNAMIC_BATCH)
