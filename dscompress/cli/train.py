"""dscompress train: a network learns with power-of-two weights, from scratch or from trained float weights."""

from __future__ import annotations

import os

import click

from dscompress.cli import Command, extras, show
from dscompress.cli.options import Activations, Json, json_option, layer_bits_option, quiet_option


class Numbers(click.ParamType):
    """80,120,160: numbers between commas."""

    name = "numbers"

    def convert(self, value, parameter, context):
        if not isinstance(value, str):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"'{value}' is not a list of numbers with commas between.", parameter, context)


# Fields of training.Recipe, in its order.
RECIPE_OPTIONS = (
    click.option("--epochs", type=int, help="How often every image is seen."),
    click.option("--batch", type=int, help="Images of one step, over all processes."),
    click.option("--optimizer", type=click.Choice(("sgd", "radam", "adam", "adamw")), help="Of all parameters."),
    click.option("--rate", type=float, help="The learning rate at the start, after the warm-up."),
    click.option("--schedule", type=click.Choice(("constant", "steps", "cosine")),
                 help="How the rate falls: by --factor at --milestones, or to zero along a cosine."),
    click.option("--milestones", type=Numbers(), metavar="EPOCHS", help="80,120: where the rate falls by --factor."),
    click.option("--factor", type=float, help="What the rate is multiplied by there."),
    click.option("--warmup", type=float, metavar="EPOCHS", help="Over which the rate rises from zero."),
    click.option("--momentum", type=float, help="Of sgd."),
    click.option("--weight-decay", type=float, help="L2, of everything but signs and shifts."),
    click.option("--shift-decay", type=float, help="d of the loss's 0.5·d·Σ(2^P)² over the shifts of ps layers."),
    click.option("--sign-rate", type=float, help="The learning rate of signs; 0 leaves them."),
    click.option("--clip", type=float, help="Largest norm of all gradients together."),
    click.option("--label-smoothing", type=float, help="Probability spread over all classes."),
    click.option("--distill", type=float, help="Share of the loss that follows the float network's answers."),
    click.option("--temperature", type=float, help="Of the softmax of both sides in that share."),
    click.option("--shift", type=float, help="Augmentation: moved by up to this part of the side."),
    click.option("--rotate", type=float, metavar="DEGREES", help="Augmentation: turned by up to this, each way."),
    click.option("--zoom", type=float, help="Augmentation: 0.1 is 0.9 to 1.1 times the size."),
    click.option("--flip/--no-flip", default=None, help="Augmentation: mirrored, left and right."),
    click.option("--crop", type=float, help="Augmentation: a crop of at least this part of the area; 1: none."),
)
RECIPE_FIELDS = ("epochs", "batch", "optimizer", "rate", "schedule", "milestones", "factor", "warmup", "momentum",
                 "weight_decay", "shift_decay", "sign_rate", "clip", "label_smoothing", "distill", "temperature",
                 "shift", "rotate", "zoom", "flip", "crop")

# What dscompress.nn.convert takes beside the method and the bits.
LAYER_OPTIONS = (
    click.option("--method", type=click.Choice(("ps", "q", "s3", "dense", "float")), default="ps", show_default=True,
                 help="How weights become powers of two; float: they do not."),
    click.option("--bits", type=int, default=None, help="Of a weight.  [default: 5, for s3 and dense 3]"),
    layer_bits_option,
    click.option("--activations", type=Activations(), metavar="FORM",
                 help="How layers round their inputs: float, or as DeepShift does, deepshift:3.5 for 3 integer bits, "
                 "the sign among them, and 5 fraction bits.  [default: float]"),
    click.option("--offset", type=click.Choice(("none", "tensor", "channel")),
                 help="A power of two for the tensor or each channel, for weights beyond ±1."),
    click.option("--scale", type=click.Choice(("none", "fixed", "trained")), help="A float for each output channel."),
    click.option("--rounding", type=click.Choice(("nearest", "stochastic")), help="Of exponents while training."),
    click.option("--sign-threshold", type=float, help="ps: the weight is 0 where abs(S) is not above it."),
    click.option("--freeze-sign", is_flag=True, default=None, help="Signs stay as they are."),
)
SETTING_FIELDS = ("offset", "scale", "rounding", "sign_threshold", "freeze_sign")


def all_of(options):
    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def show_recipes(context, parameter, wanted):
    if not wanted or context.resilient_parsing:
        return
    from dscompress.training.recipes import RECIPES, REFERENCES

    sources = list(dict.fromkeys(each.source for each in RECIPES.values()))
    rows = [(name, each.optimizer, f"{each.rate:g}", schedule_of(each), each.epochs, each.batch,
             sources.index(each.source) + 1) for name, each in RECIPES.items()]
    show.table(["recipe", "optim", "rate>", "schedule", "epochs>", "batch>", "from>"], rows)
    show.line()
    show.line("at: the epochs after which the rate falls to a tenth; from:")
    show.fields((str(number), text) for number, text in enumerate(sources, 1))
    show.fields(REFERENCES.items())
    context.exit()


def schedule_of(recipe) -> str:
    return "at " + ",".join(f"{each:g}" for each in recipe.milestones) if recipe.milestones else recipe.schedule


@click.command("train", cls=Command, short_help="Train a network with power-of-two weights.")
@click.argument("data", metavar="DATA")
@click.option("-o", "--output", type=click.Path(), required=True, metavar="RUN", help="The folder of this run.")
@click.option("--resume", is_flag=True,
              help="Go on with the run in RUN, if there is one: repeat the command and add this.")
@click.option("--model", metavar="NAME", help="small_resnet, small_mobilenet, cifar_resnet20 and its kin, "
              "torchvision.models:resnet18, or your MODULE:CALLABLE.  "
              "[default: that of a checkpoint of train in --weights, else small_resnet]")
@click.option("--model-args", type=Json(), metavar="JSON", help="Its arguments; classes and channels follow the data.")
@click.option("--weights", type=click.Path(), metavar="FILE",
              help="Start from these: a checkpoint of train, a state_dict, or a file of the original DeepShift.")
@click.option("--fresh", multiple=True, metavar="NAME", help="Layers that start from scratch all the same. Repeatable.")
@all_of(LAYER_OPTIONS)
@click.option("--recipe", metavar="NAME",
              help="A preset; --recipes lists them.  [default: the one for method and data]")
@click.option("--recipes", is_flag=True, is_eager=True, expose_value=False, callback=show_recipes,
              help="List the presets and leave.")
@all_of(RECIPE_OPTIONS)
@click.option("--teacher", type=click.Path(), metavar="FILE",
              help="The float network of --distill.  [default: that of --weights]")
@click.option("--preprocess", metavar="RECIPE",
              help="How an image becomes the input: imagenet, cifar, mnist, digits, or a JSON file.  "
              "[default: imagenet for "
              "torchvision's networks, else measured on the images]")
@click.option("--held-out", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.2, show_default=True,
              help="Part of each class to judge on, where DATA has no val/.")
@click.option("--workers", type=click.IntRange(0, 256), default=None,
              help="Processes that read images.  [default: up to 4]")
@click.option("--threads", type=click.IntRange(1, 1024), metavar="COUNT",
              help="Of the CPU.  [default: 1 for images of up to 16x16, else one per processor]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--device", help="cpu, cuda, cuda:1.  [default: a GPU if there is one]")
@click.option("--precision", type=click.Choice(("auto", "float32", "bf16", "fp16")), default="auto", show_default=True,
              help="Of the passes; auto is bf16 or fp16 on a GPU and float32 on a CPU.")
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
    extras.require("train", "compiler", only=("PyTorch", "ONNX"))
    extras.require("train", "train")
    leader = os.environ.get("RANK", "0") == "0"
    if not leader:
        show.set_quiet(True)
    run_it(data, output, as_json and leader, leader, options)


def run_it(data, output, as_json, leader, options) -> None:
    from dscompress import training
    from dscompress.activations import fixed_point

    overrides = {name: options.pop(name) for name in RECIPE_FIELDS}
    setting = {name: value for name in SETTING_FIELDS if (value := options.pop(name)) is not None}
    if (form := options.pop("activations")) is not None:
        setting["activation"] = fixed_point(form)
    bits = options.pop("bits") or (3 if options["method"] in ("s3", "dense") else 5)
    bits = {**layer_bits, "*": bits} if (layer_bits := options.pop("layer_bits")) else bits
    if options["workers"] is None:
        options["workers"] = 0 if data in training.BUILT_IN_DATA else min(4, os.cpu_count() or 1)
    with show.progress("Preparing", total=1) as advance:
        watcher = Teller(advance)
        try:
            result = training.train(data, output, overrides=overrides, setting=setting, bits=bits,
                                    watcher=training.Watcher(watcher.begun, watcher.step, watcher.epoch), **options)
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


class Teller:
    """Says how it goes: a bar where stderr is a terminal, else a line an epoch."""

    def __init__(self, advance) -> None:
        self.advance, self.run, self.told, self.last = advance, None, 0, ""

    def begun(self, run, training, recipe_name, networks) -> None:
        self.run, self.training = run, training
        steps = training.steps()
        self.advance(count=training.epoch * steps, label="Training", total=training.recipe.epochs * steps)
        for text in training.data.notes:
            show.note(text, lead="note: ")
        if networks.report:
            show.note(*f"{networks.name}: {networks.report}".split("\n"))
        begun = f", resumed after epoch {training.epoch}" if training.epoch else ""
        show.note(f"recipe {recipe_name}: {epochs(training.recipe.epochs)} of {len(training.data.train):,} images, "
                  f"judged on {len(training.data.validation):,}{begun}")

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
    return {"run": str(result.run.folder), "best": dataclasses.asdict(history.best),
            "last": dataclasses.asdict(history.epochs[-1]), "model": card.model, "model_args": card.model_args,
            "recipe": result.recipe_name, "values": dataclasses.asdict(result.recipe), "skipped": history.skipped}


def print_result(result) -> None:
    best, run = result.history.best, result.run
    show.fields([
        ("best", f"{best.validation_accuracy:.2%} of {best.judged:,} held-out images, epoch {best.epoch}: {run.best}"),
        ("last", f"{result.history.accuracy:.2%}: {run.last}"),
        ("metrics", f"{run.folder / 'metrics.jsonl'}, {run.folder / 'curves.png'}"),
        ("skipped", f"{len(result.history.skipped)} that could not be read" if result.history.skipped else ""),
        ("next", f"dscompress export {run.best}"),
    ])
