"""Options that several commands share, as decorators."""

from __future__ import annotations

import errno
import math
import os

import click

from dscompress.cli import complete, show

BACKENDS = ("auto", "reference", "cpu", "cuda")
MEMORIES = ("fast", "low")
PRECISIONS = ("float32", "bf16")
LIMITS = ("file_bytes", "activation_bytes", "plan_bytes", "weight_bytes", "multiply_adds")  # of dsruntime.Limits
SUFFIXES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
INPUT_DTYPES = ("float32", "int64", "int32", "int8", "uint8", "bool")  # of dscompress.capture.input_examples


def json_option(command):
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(command)


def quiet_option(command):
    def remember(context, parameter, wanted):
        if wanted:
            show.set_quiet(True)

    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Print the result and errors alone: no summary, notes or progress.",
    )(command)


def model_argument(command):
    """MODEL, a .dsf. A file that is not there or may not be read is wrong input, not a machine that cannot."""

    def there(context, parameter, path):
        if not context.resilient_parsing:
            must_be_readable(path)
        return path

    return click.argument("model", type=click.Path(), callback=there, shell_complete=complete.models)(command)


def must_be_readable(path) -> None:
    os.stat(path)
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def run_options(command):
    """--backend, --threads, --memory and --precision, and --limit, as `limits`."""
    return section("How the model runs", *RUN_OPTIONS, limit_option(LIMITS))(command)


def limit_option(names: tuple[str, ...]):
    """--limit, for those of dsruntime.Limits that a command is held to, as a dict by name."""
    return click.option(
        "--limit",
        "limits",
        type=Limit(names),
        multiple=True,
        metavar="NAME=NUMBER",
        callback=by_name,
        help=f"Allow a file that you trust more than it may ask for otherwise: {', '.join(names)}. "
        "2G is 2^31; K, M and T alike." + (" Repeatable." if len(names) > 1 else ""),
    )


def source_options(command):
    """How a source file becomes a graph, as in CaptureOptions but for --model, which is `factory`."""
    command = section("Where the folder of a DeepShift checkpoint does not say it", *DEEPSHIFT_OPTIONS)(command)
    return section("How SOURCE becomes a network", *NETWORK_OPTIONS, INPUT_SHAPE, INPUT_DTYPE, DYNAMIC_BATCH)(command)


class Number(click.ParamType):
    """A number of a kind, int or float, from low to high; above and below: low or high itself does not count."""

    name = "number"

    def __init__(self, kind: type, low: float, high: float = math.inf, *, above: bool = False, below: bool = False):
        self.kind, self.low, self.high, self.above, self.below = kind, low, high, above, below

    def convert(self, value, parameter, context):
        try:
            number = self.kind(value)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is no {'whole number' if self.kind is int else 'number'}.", parameter, context)
        low = number > self.low if self.above else number >= self.low
        high = number < self.high if self.below or self.high == math.inf else number <= self.high
        if not (low and high):
            self.fail(f"{value} is not {self}.", parameter, context)
        return number

    def __str__(self) -> str:
        low = f"above {self.low}" if self.above else f"{self.low}"
        if self.high == math.inf:
            return low if self.above else f"{low} or more"
        return f"{low} and below {self.high}" if self.below else f"{low} to {self.high}"


RUN_OPTIONS = (
    click.option(
        "--backend",
        type=click.Choice(BACKENDS),
        default="auto",
        show_default=True,
        help="What runs the model; auto is cpu.",
    ),
    click.option(
        "--threads",
        type=Number(int, 1),
        metavar="COUNT",
        help="How many threads the cpu backend uses.  [default: one per processor]",
    ),
    click.option(
        "--memory",
        type=click.Choice(MEMORIES),
        default="fast",
        show_default=True,
        help="low keeps weights packed and decodes them as they are used, where that can be done: slower, "
        "and less memory.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="float32",
        show_default=True,
        help="What activations are multiplied in; bf16 is faster where the CPU has instructions for it.",
    ),
)


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
        layer, _, bits = value.rpartition("=")
        if not layer or not (bits.isdecimal() or bits == "float"):
            self.fail(f"'{value}' is not LAYER=BITS, such as 'layer4.*=3' or fc=float.", parameter, context)
        return layer, None if bits == "float" else int(bits)


class Limit(click.ParamType):
    """multiply_adds=4T or file_bytes=5368709120: the name of a limit, and a number from 1."""

    name = "limit"

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def convert(self, value, parameter, context):
        if isinstance(value, tuple):
            return value
        name, _, text = value.partition("=")
        if name not in self.names:
            others = "; it runs nothing, so no other holds here" if name in LIMITS else ""
            self.fail(
                f"'{value}' is not NAME=NUMBER with a NAME of {', '.join(self.names)}{others}.", parameter, context
            )
        digits, factor = (text[:-1], SUFFIXES[text[-1]]) if text[-1:] in SUFFIXES else (text, 1)
        number = int(digits) * factor if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else 0
        if not 1 <= number < 2**64:
            self.fail(
                f"'{value}' is not {name}=NUMBER with a whole NUMBER from 1 to 2^64-1, such as {name}=8G.",
                parameter,
                context,
            )
        return name, number


def by_name(context, parameter, values) -> dict[str, int]:
    names = [name for name, _ in values]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise click.BadParameter(f"{twice[0]} is given twice.", context, parameter)
    return dict(values)


def layer_bits_option(command):
    """--layer-bits, as a dict in the order in which they were given; None is float."""
    return click.option(
        "--layer-bits",
        type=LayerBits(),
        multiple=True,
        metavar="LAYER=BITS",
        shell_complete=complete.layers,
        callback=lambda context, parameter, values: dict(values),
        help="Other bits for one layer, or 'float' to leave it as it is; a pattern such as "
        "'layer4.*' for several. The first that fits counts. Repeatable.",
    )(command)


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
            self.fail(
                f"'{value}' is neither a JSON object nor an array; write it as '{{\"num_classes\": 10}}'.",
                parameter,
                context,
            )
        return data


def section(title: str, *options):
    """Options that --help shows under a heading of their own."""

    def decorate(command):
        for option in reversed(options):
            command = option(command)
            command.__click_params__[-1].section = title
        return command

    return decorate


WEIGHTS_OPTIONS = (
    click.option(
        "--weights-key",
        metavar="KEY",
        help="Which set of weights, where a checkpoint holds several: state_dict_ema, ema.module.",
    ),
    click.option(
        "--prefix",
        metavar="PREFIX",
        help="What the keys of these weights begin with beside the network's own: 'net.'; what is not under "
        "it is left out.  [default: what makes all keys fit]",
    ),
)
NETWORK_OPTIONS = (
    click.option(
        "--model",
        "factory",
        metavar="MODULE:CALLABLE",
        help="What builds the network that a state_dict belongs to, such as torchvision.models:resnet18.",
    ),
    click.option(
        "--model-args",
        type=Json(),
        metavar="JSON",
        help="Arguments of --model, an object for keywords or an array: '{\"num_classes\": 10}'.",
    ),
    *WEIGHTS_OPTIONS,
    click.option(
        "--trust-pickle",
        is_flag=True,
        help="Load a pickled module or a TorchScript archive. This runs code from the file: only for files you made.",
    ),
)
INPUT_SHAPE = click.option(
    "--input-shape",
    type=Shape(),
    multiple=True,
    metavar="SHAPE",
    help="Shape of the model's input, batch first: 1,3,224,224. Once per input, in order. Where "
    "the source does not say it either, --preprocess may.",
)
INPUT_DTYPE = click.option(
    "--input-dtype",
    type=click.Choice(INPUT_DTYPES),
    multiple=True,
    help="What the model's input holds, int64 for indices of words. Once per input, in order.  [default: float32]",
)
DYNAMIC_BATCH = click.option(
    "--dynamic-batch/--no-dynamic-batch",
    default=True,
    show_default=True,
    help="Leave the batch size open, or fix it to the one of the input shape.",
)
DEEPSHIFT_OPTIONS = (
    click.option("--bits", type=Number(int, 2, 8), metavar="BITS", help="Bits of a weight, the sign among them."),
    click.option(
        "--method",
        type=click.Choice(("q", "ps", "float")),
        help="DeepShift-Q, whose weights are then rounded, DeepShift-PS, or float: nothing is rounded.",
    ),
    click.option(
        "--sign-threshold",
        type=Number(float, 0, 1, below=True),
        metavar="NUMBER",
        help="For PS: a weight is 0 where the absolute value of its sign is not above this.  [default: 0.5]",
    ),
    click.option(
        "--activations",
        type=Activations(),
        metavar="FORM",
        help="How the layers round their inputs: float, or deepshift:3.5 for 3 integer bits, the sign among "
        "them, and 5 fraction bits.",
    ),
)
PREPROCESS = click.option(
    "--preprocess",
    metavar="RECIPE",
    shell_complete=complete.image_recipes,
    help="How an image becomes the model's input: imagenet, cifar, mnist, digits, or a JSON "
    "file, of your own or Hugging Face's preprocessor_config.json.",
)
