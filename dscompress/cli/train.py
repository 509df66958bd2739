"""dscompress train: a network learns with power-of-two weights, from scratch or from trained float weights."""

from __future__ import annotations

import os
import re

import click

from dscompress.cli import Command, complete, extras, show
from dscompress.cli.options import (
    PREPROCESS,
    WEIGHTS_OPTIONS,
    Activations,
    Json,
    Number,
    json_option,
    layer_bits_option,
    quiet_option,
    section,
)


class Field(click.ParamType):
    """A number for a field of Recipe, in the range that dscompress.recipes.RANGES gives it."""

    def __init__(self, field: str, kind: type = float) -> None:
        self.field, self.kind, self.name = field, kind, "number"

    def convert(self, value, parameter, context):
        from dscompress.recipes import allowed, in_range

        try:
            number = self.kind(value)
        except ValueError:
            self.fail(f"'{value}' is no {'whole number' if self.kind is int else 'number'}.", parameter, context)
        if not in_range(self.field, number):
            self.fail(f"{value} is not {allowed(self.field)}.", parameter, context)
        return number


class Milestones(click.ParamType):
    """80,120,160: epochs, in order."""

    name = "numbers"

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        try:
            epochs = tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"'{value}' is not a list of numbers with commas between.", parameter, context)
        if list(epochs) != sorted(epochs) or not min(epochs) > 0:
            self.fail(f"'{value}' is not a list of epochs above 0, in order.", parameter, context)
        return epochs


class RecipeName(click.ParamType):
    name = "recipe"

    def convert(self, value, parameter, context):
        from difflib import get_close_matches

        from dscompress.recipes import RECIPES

        if value not in RECIPES:
            close = get_close_matches(value, RECIPES, n=1)
            hint = f"did you mean {close[0]}?" if close else "dscompress train --recipes lists them."
            self.fail(f"no recipe is called '{value}'; {hint}", parameter, context)
        return value

    def shell_complete(self, context, parameter, incomplete):
        return complete.training_recipes(context, parameter, incomplete)


class Device(click.ParamType):
    name = "device"

    def convert(self, value, parameter, context):
        if not re.fullmatch(r"(cpu|cuda|xpu|mps)(:\d{1,3})?", value):
            self.fail(f"'{value}' is no device, such as cpu, cuda or cuda:1.", parameter, context)
        return value


# Bits that a weight may have, and has unless told otherwise. As in dscompress.nn.METHODS, which would load PyTorch.
BITS = {"ps": (2, 5), "q": (2, 5), "s3": (2, 4), "dense": (2, 4)}
USUAL_BITS = {"ps": 5, "q": 5, "s3": 3, "dense": 3}

NETWORK_OPTIONS = (
    click.option(
        "--model",
        metavar="NAME",
        help="The network: small_resnet, small_mobilenet, cifar_resnet20 and its kin, "
        "torchvision.models:resnet18, or your own MODULE:CALLABLE.  [default: that of a checkpoint of train "
        "in --weights, else small_resnet]",
    ),
    click.option(
        "--model-args",
        type=Json(),
        metavar="JSON",
        help="Arguments of --model, an object for keywords or an array; the numbers of classes and channels "
        "follow the data.",
    ),
    click.option(
        "--weights",
        type=click.Path(),
        metavar="FILE",
        help="Start from the weights in a checkpoint of train, a state_dict, or a file of the original "
        "DeepShift.  [default: random weights]",
    ),
    *WEIGHTS_OPTIONS,
    click.option(
        "--fresh",
        multiple=True,
        metavar="LAYER",
        help="A layer that starts from random weights although --weights has it. Repeatable.",
    ),
)

# What dscompress.nn.convert takes.
LAYER_OPTIONS = (
    click.option(
        "--method",
        type=click.Choice((*BITS, "float")),
        default="ps",
        show_default=True,
        help="How weights are powers of two while they learn; with float they are not.",
    ),
    click.option(
        "--bits",
        type=Number(int, 2, 5),
        metavar="BITS",
        help="Bits of a weight, 2 to 5, of s3 and dense 2 to 4.  [default: 5, of s3 and dense 3]",
    ),
    layer_bits_option,
    click.option(
        "--activations",
        type=Activations(),
        metavar="FORM",
        help="How layers round their inputs: float, or as DeepShift does, deepshift:3.5 for 3 integer bits, "
        "the sign among them, and 5 fraction bits.  [default: float]",
    ),
    click.option(
        "--offset",
        type=click.Choice(("none", "tensor", "channel")),
        help="For weights beyond ±1: multiply the powers of two of the whole tensor, or of each channel, by "
        "one more power of two.  [default: the method's own]",
    ),
    click.option(
        "--scale",
        type=click.Choice(("none", "fixed", "trained")),
        help="Multiply each output channel by a float, which stays or is trained.  [default: none]",
    ),
    click.option(
        "--rounding",
        type=click.Choice(("nearest", "stochastic")),
        help="How exponents are rounded while training; at random is for ps and q.  [default: nearest]",
    ),
    click.option(
        "--sign-threshold",
        type=Number(float, 0, 1, below=True),
        metavar="NUMBER",
        help="For ps: a weight is 0 where the absolute value of its sign is not above this.  [default: 0.5]",
    ),
    click.option("--freeze-sign", is_flag=True, default=None, help="Keep the signs that weights start with."),
)
SETTING_FIELDS = ("offset", "scale", "rounding", "sign_threshold", "freeze_sign")

# Fields of dscompress.recipes.Recipe; each is the recipe's unless given.
COURSE_OPTIONS = (
    click.option("--epochs", type=Field("epochs", int), metavar="COUNT", help="How often each image is seen."),
    click.option(
        "--batch",
        type=Field("batch", int),
        metavar="COUNT",
        help="Images that one step learns from, over all processes together.",
    ),
    click.option(
        "--optimizer", type=click.Choice(("sgd", "radam", "adam", "adamw")), help="What turns gradients into steps."
    ),
    click.option(
        "--rate",
        type=Field("rate"),
        metavar="NUMBER",
        help="The learning rate with which the training begins, after the warm-up.",
    ),
    click.option(
        "--schedule",
        type=click.Choice(("constant", "steps", "cosine")),
        help="How the learning rate falls: not at all, at --milestones, or to zero along a cosine.",
    ),
    click.option(
        "--milestones",
        type=Milestones(),
        metavar="EPOCHS",
        help="With --schedule steps: the epochs after which the rate falls, such as 80,120.",
    ),
    click.option(
        "--factor",
        type=Field("factor"),
        metavar="NUMBER",
        help="With --schedule steps: what the rate is multiplied by at each milestone.",
    ),
    click.option(
        "--warmup",
        type=Field("warmup"),
        metavar="EPOCHS",
        help="Over how many epochs the learning rate rises from zero at the start.",
    ),
    click.option("--momentum", type=Field("momentum"), metavar="NUMBER", help="The momentum of --optimizer sgd."),
    click.option(
        "--weight-decay",
        type=Field("weight_decay"),
        metavar="NUMBER",
        help="L2 regularisation of everything but signs and shifts.",
    ),
    click.option(
        "--shift-decay",
        type=Field("shift_decay"),
        metavar="NUMBER",
        help="Regularisation of the shifts P of ps layers: d adds 0.5·d·Σ(2^P)² to the loss.",
    ),
    click.option(
        "--sign-rate",
        type=Field("sign_rate"),
        metavar="NUMBER",
        help="A learning rate of their own for the signs of ps layers; 0 leaves them as they are.",
    ),
    click.option(
        "--clip",
        type=Field("clip"),
        metavar="NUMBER",
        help="The largest norm that all gradients together may have; 0 allows any.",
    ),
    click.option(
        "--label-smoothing",
        type=Field("label_smoothing"),
        metavar="NUMBER",
        help="How much of the right class's probability is spread over all classes.",
    ),
)
DISTILL_OPTIONS = (
    click.option(
        "--distill",
        type=Field("distill"),
        metavar="SHARE",
        help="How much of the loss follows the answers of a float network, 0 to 1.",
    ),
    click.option(
        "--temperature",
        type=Field("temperature"),
        metavar="NUMBER",
        help="What both networks' scores are divided by before that comparison.",
    ),
)
TEACHER = click.option(
    "--teacher", type=click.Path(), metavar="FILE", help="The float network to follow.  [default: that of --weights]"
)
AUGMENTATION_OPTIONS = (
    click.option(
        "--shift",
        type=Field("shift"),
        metavar="SHARE",
        help="Move each image by up to this share of its side, each way.",
    ),
    click.option("--rotate", type=Field("rotate"), metavar="DEGREES", help="Turn each image by up to this, each way."),
    click.option(
        "--zoom",
        type=Field("zoom"),
        metavar="SHARE",
        help="Resize each image by up to this share: 0.1 gives 0.9 to 1.1 times the size.",
    ),
    click.option("--flip/--no-flip", default=None, help="Mirror half of the images, left and right."),
    click.option(
        "--crop",
        type=Field("crop"),
        metavar="SHARE",
        help="Cut out a part of at least this share of each image's area, and resize it; 1 cuts nothing.",
    ),
)
RECIPE_FIELDS = (
    "epochs",
    "batch",
    "optimizer",
    "rate",
    "schedule",
    "milestones",
    "factor",
    "warmup",
    "momentum",
    "weight_decay",
    "shift_decay",
    "sign_rate",
    "clip",
    "label_smoothing",
    "distill",
    "temperature",
    "shift",
    "rotate",
    "zoom",
    "flip",
    "crop",
)


def show_recipes(context, parameter, wanted):
    if not wanted or context.resilient_parsing:
        return
    from dscompress.recipes import RECIPES, REFERENCES

    sources = list(dict.fromkeys(each.source for each in RECIPES.values()))
    rows = [
        (
            name,
            each.optimizer,
            f"{each.rate:g}",
            schedule_of(each),
            each.epochs,
            each.batch,
            sources.index(each.source) + 1,
        )
        for name, each in RECIPES.items()
    ]
    show.table(["recipe", "optimizer", "rate>", "schedule", "epochs>", "batch>", "from>"], rows)
    show.line()
    show.line("schedule: cosine, or the epochs after which the rate falls to a tenth; from:")
    show.fields((str(number), text) for number, text in enumerate(sources, 1))
    show.fields(REFERENCES.items())
    context.exit()


def schedule_of(recipe) -> str:
    return ",".join(f"{each:g}" for each in recipe.milestones) or recipe.schedule


DATA_OPTIONS = (
    PREPROCESS,
    click.option(
        "--held-out",
        type=Number(float, 0, 1, above=True, below=True),
        default=0.2,
        show_default=True,
        metavar="SHARE",
        help="How much of each class is kept to judge the network on, where DATA has no val/.",
    ),
    click.option(
        "--workers",
        type=Number(int, 0, 256),
        metavar="COUNT",
        help="How many processes read images.  [default: up to 4]",
    ),
)
MACHINE_OPTIONS = (
    click.option(
        "--device",
        type=Device(),
        metavar="NAME",
        help="What computes: cpu, cuda, cuda:1.  [default: a GPU if there is one]",
    ),
    click.option(
        "--threads",
        type=Number(int, 1, 1024),
        metavar="COUNT",
        help="How many threads of the CPU compute.  [default: 1 for images of up to 16x16, else one per processor]",
    ),
    click.option(
        "--precision",
        type=click.Choice(("auto", "float32", "bf16", "fp16")),
        default="auto",
        show_default=True,
        help="What the network computes in while it learns; auto is bf16 or fp16 on a GPU, float32 on a CPU.",
    ),
    click.option(
        "--seed",
        type=Number(int, 0, 2**32 - 1),
        default=0,
        show_default=True,
        metavar="NUMBER",
        help="Where all that is random begins: the same seed gives the same run, another one another.",
    ),
)


@click.command("train", cls=Command, short_help="Train a network with power-of-two weights.")
@click.argument("data", metavar="DATA", shell_complete=complete.data)
@click.option("-o", "--output", type=click.Path(), required=True, metavar="RUN", help="The folder of this run.")
@click.option(
    "--resume", is_flag=True, help="Go on with the run in RUN, if there is one: repeat the command and add this."
)
@section("The network", *NETWORK_OPTIONS)
@section("Its weights", *LAYER_OPTIONS)
@section("The data", *DATA_OPTIONS)
@section(
    "The recipe",
    click.option(
        "--recipe",
        type=RecipeName(),
        metavar="NAME",
        help="A preset that says all of the following.  [default: the one for the method, the data and the start]",
    ),
    click.option(
        "--recipes",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show_recipes,
        help="List the presets and leave.",
    ),
)
@section("The course of the training, instead of the recipe's", *COURSE_OPTIONS)
@section("A float network to learn from", *DISTILL_OPTIONS, TEACHER)
@section("Changes to the images while it learns, instead of the recipe's", *AUGMENTATION_OPTIONS)
@section("The machine", *MACHINE_OPTIONS)
@json_option
@quiet_option
def command(data, output, as_json, **options):
    """Train on DATA: digits (built in), or a folder with a sub-folder of images for each class.

    RUN then holds best.pt and last.pt, which export takes without further arguments, metrics.jsonl and curves.png. A
    run that was stopped, however it was, goes on where its last finished epoch ended: repeat the command with --resume.
    Several processes: torchrun --nproc-per-node 2 -m dscompress train ...

    \b
    Example:
      dscompress train digits -o float --method float
      dscompress train digits -o run --weights float/best.pt --method ps --bits 4
      dscompress export run/best.pt -o digits.dsf
    """
    refuse_what_has_no_effect(data, options)
    extras.require("train", "compiler", only=("PyTorch", "ONNX"))
    extras.require("train", "train")
    leader = os.environ.get("RANK", "0") == "0"
    if not leader:
        show.set_quiet(True)
    run_it(data, output, as_json and leader, leader, options)


def refuse_what_has_no_effect(data, options) -> None:
    """An option that would change nothing was meant to."""
    method = options["method"]
    if method == "float":
        for name in ("bits", "layer_bits", "activations", *SETTING_FIELDS):
            if options[name]:
                raise click.UsageError(
                    f"--{name.replace('_', '-')} is for weights that are powers of two; "
                    "leave it out with --method float."
                )
    elif any(
        bits is not None and not lowest(method) <= bits <= highest(method)
        for bits in (options["bits"], *options["layer_bits"].values())
    ):
        raise click.UsageError(f"A weight of --method {method} has {lowest(method)} to {highest(method)} bits.")
    if options["fresh"] and not options["weights"]:
        raise click.UsageError("--fresh goes with --weights: without it every layer starts from random weights.")
    for name in ("weights_key", "prefix"):
        if options[name] is not None and not options["weights"]:
            raise click.UsageError(
                f"--{name.replace('_', '-')} says which weights of --weights; without that leave it out."
            )
    if data in complete.BUILT_IN_DATA and options["preprocess"]:
        raise click.UsageError(f"--preprocess is for folders of images; '{data}' has its own recipe.")


def lowest(method: str) -> int:
    return BITS[method][0]


def highest(method: str) -> int:
    return BITS[method][1]


def run_it(data, output, as_json, leader, options) -> None:
    from dscompress import training
    from dscompress.activations import fixed_point

    overrides = {name: options.pop(name) for name in RECIPE_FIELDS}
    setting = {name: value for name in SETTING_FIELDS if (value := options.pop(name)) is not None}
    if (form := options.pop("activations")) is not None:
        setting["activation"] = fixed_point(form)
    bits = options.pop("bits") or USUAL_BITS.get(options["method"], 5)
    if layer_bits := options.pop("layer_bits"):
        bits = layer_bits | {"*": layer_bits.get("*", bits)}
    if options["workers"] is None:
        options["workers"] = 0 if data in training.BUILT_IN_DATA else min(4, os.cpu_count() or 1)
    with show.progress("Preparing", total=1) as advance:
        watcher = Teller(advance)
        try:
            result = training.train(
                data,
                output,
                overrides=overrides,
                setting=setting,
                bits=bits,
                watcher=training.Watcher(watcher.begun, watcher.step, watcher.epoch),
                **options,
            )
        except KeyboardInterrupt:
            watcher.stopped("; to go on, repeat the command with --resume")
            raise
        except Exception:
            watcher.stopped()
            raise
    if as_json:
        show.as_json(as_data(result))
    elif leader and not show.is_quiet():
        print_result(result)


MOST_NOTES = 5  # of an epoch


class Teller:
    """Says how it goes: a bar where stderr is a terminal, else a line an epoch, and in long ones more."""

    def __init__(self, advance) -> None:
        self.advance, self.run, self.told, self.noted, self.last = advance, None, 0, 0, ""

    def begun(self, run, training, recipe_name, networks) -> None:
        self.run, self.training = run, training
        steps = training.steps()
        self.advance(count=training.epoch * steps, label="Training", total=training.recipe.epochs * steps)
        for text in training.data.notes:
            show.note(text, lead="note: ")
        if networks.report:
            show.note(*f"{networks.name}: {networks.report}".split("\n"))
        begun = f", resumed after epoch {training.epoch}" if training.epoch else ""
        show.note(
            f"recipe {recipe_name}: {epochs(training.recipe.epochs)} of {len(training.data.train):,} images, "
            f"judged on {len(training.data.validation):,}{begun}"
        )

    def step(self, epoch, step, steps) -> None:
        self.advance(label=f"epoch {epoch + 1}/{self.training.recipe.epochs}{self.last}")

    def epoch(self, training) -> None:
        each = training.history.epochs[-1]
        line = f"loss {each.loss:.4f}, held out {each.validation_accuracy:.2%}"
        self.last = f", {line}"
        if not show.shows_progress():
            show.note(f"epoch {each.epoch}/{training.recipe.epochs}: {line}, {each.seconds:.1f} s")
        for text in training.history.skipped[self.told :]:
            show.warn(f"skipped {text}")
        self.told = len(training.history.skipped)
        new = training.history.notes[self.noted :]
        for text in new[:MOST_NOTES]:
            show.note(text, lead="note: ")
        if len(new) > MOST_NOTES:
            show.note(f"and the same of {len(new) - MOST_NOTES:,} more images", lead="note: ")
        self.noted = len(training.history.notes)

    def stopped(self, how_to_go_on: str = "") -> None:
        """Says what is left of a run that ended before its time."""
        if self.run is None or self.training.world.rank:
            return
        if self.training.history.epochs:
            self.run.draw(self.training)
        done = self.training.epoch
        left = f"has the first {epochs(done)}" if done else "has the start alone, no epoch has ended"
        show.note(f"{self.run.last} {left}{how_to_go_on}")


def epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def as_data(result) -> dict:
    import dataclasses

    history, card = result.history, result.run.card
    return {
        "run": str(result.run.folder),
        "best": dataclasses.asdict(history.best),
        "last": dataclasses.asdict(history.epochs[-1]),
        "model": card.model,
        "model_args": card.model_args,
        "recipe": result.recipe_name,
        "values": dataclasses.asdict(result.recipe),
        "skipped": history.skipped,
    }


def print_result(result) -> None:
    best, run = result.history.best, result.run
    show.fields(
        [
            (
                "best",
                f"{best.validation_accuracy:.2%} of {best.judged:,} held-out images, epoch {best.epoch}: {run.best}",
            ),
            ("last", f"{result.history.accuracy:.2%}: {run.last}"),
            ("metrics", f"{run.folder / 'metrics.jsonl'}, {run.folder / 'curves.png'}"),
            ("skipped", f"{len(result.history.skipped)} that could not be read" if result.history.skipped else ""),
            ("next", f"dscompress export {run.best}"),
        ]
    )
