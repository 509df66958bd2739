"""train: one run, from what the user says to the files in its folder; `dscompress train` calls it.

result = train("digits", "run", method="ps", bits=4, recipe=dict(epochs=10))
print(result.history.best.validation_accuracy, result.run.best)
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dscompress.checkpoint import Card
from dscompress.compile.labelling import read_recipe
from dscompress.errors import TrainingError
from dscompress.nn import ConversionReport, describe
from dscompress.recipes import Recipe, recipe_named, usual_recipe
from dscompress.training.data import Data
from dscompress.training.digits import digits
from dscompress.training.fit import Training
from dscompress.training.folder import image_folder
from dscompress.training.history import History
from dscompress.training.networks import Networks, Wanted, build_networks
from dscompress.training.run import Run
from dscompress.training.world import joined

FEW_PIXELS = 256  # a step on images so small is over before a second thread has begun
BUILT_IN_DATA = {"digits": digits}


@dataclass(frozen=True)
class Result:
    history: History
    run: Run
    data: Data
    recipe_name: str
    recipe: Recipe
    report: ConversionReport | None  # of the conversion; None for a float network
    rank: int


@dataclass(frozen=True)
class Watcher:
    """Who is told how it goes: begun(run, training, recipe's name, networks), step as in fit(), epoch(training)."""

    begun: Callable[..., None] = lambda *_: None
    step: Callable[[int, int, int], None] = lambda *_: None
    epoch: Callable[[Training], None] = lambda _: None


def train(
    data: str | Data,
    output: str | os.PathLike,
    *,
    recipe: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    preprocess=None,
    held_out: float = 0.2,
    workers: int = 0,
    threads: int | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = "auto",
    resume: bool = False,
    watcher: Watcher = Watcher(),
    **wanted: Any,
) -> Result:
    """data: "digits", a folder of images (folder.py), or Data. output: the run's folder (run.py).

    recipe: a preset's name, else the usual one for method and data; overrides: fields of it to replace. preprocess: a
    recipe's name, a JSON file or a dsruntime.file.Image; unless given, "imagenet" for torchvision's networks, and for
    others measured on the images. precision: precision.py. wanted: the fields of networks.Wanted.
    threads: of PyTorch on the CPU; unless given, 1 for images of at most FEW_PIXELS, and for others what PyTorch takes.
    resume: go on with the run in `output`, if there is one. Raises TrainingError or CompileError for what is wrong.
    """
    wants = Wanted(**wanted)
    if preprocess is None and (wants.model or "").startswith("torchvision.models:"):
        preprocess = "imagenet"
    with joined(device) as world:
        found = data if isinstance(data, Data) else open_data(data, preprocess, held_out, workers)
        name = recipe or usual_recipe(wants.method, found.name, max(found.input_shape[2:]), wants.weights is not None)
        chosen = recipe_named(name, **(overrides or {}))
        with threads_for(threads, found):
            networks = build_networks(wants, found, seed, distill=chosen.distill > 0)
            training = Training(networks.model, found, chosen, seed=seed, device=device, precision=precision,
                                teacher=networks.teacher, on_step=watcher.step)  # fmt: skip
            run = run_of(Path(output), wants, networks, training)
            begin(run, training, resume)
            watcher.begun(run, training, name, networks)
            history = training.run(lambda training: after_epoch(run, training, watcher))
        return Result(history, run, found, name, chosen, networks.report, world.rank)


@contextmanager
def threads_for(threads: int | None, data: Data) -> Iterator[None]:
    before = torch.get_num_threads()
    if threads or data.input_shape[2] * data.input_shape[3] <= FEW_PIXELS:
        torch.set_num_threads(threads or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_of(folder: Path, wants: Wanted, networks: Networks, training: Training) -> Run:
    data = training.data
    card = Card(networks.name, networks.arguments, {}, data.input_shape, data.image, data.classes)
    return Run(folder, card, settings_of(networks, training), title_of(wants, networks.name, data))


def after_epoch(run: Run, training: Training, watcher: Watcher) -> None:
    if training.world.rank == 0:
        run.save(training)
    watcher.epoch(training)


def open_data(data: str, preprocess, held_out: float, workers: int) -> Data:
    """A built-in by its name, else a folder: one that is called digits is ./digits."""
    if data in BUILT_IN_DATA:
        return BUILT_IN_DATA[data](held_out)
    return image_folder(data, read_recipe(preprocess), held_out, workers)


def begin(run: Run, training: Training, resume: bool) -> None:
    """Rank 0 looks at the folder and tells the others."""
    world, state = training.world, None
    if world.rank == 0:
        if resume and run.last.exists():
            state = run.resumed()
        else:
            run.start(training)
    state = world.told(state)
    if state is not None:
        try:
            training.load(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            found = f"is damaged ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
            raise TrainingError(str(run.last), found, "what a run with these settings left",
                                f"start a new run from what it holds: --weights {run.best}") from None  # fmt: skip


def settings_of(networks: Networks, training: Training) -> dict[str, Any]:
    """What decides how a run goes, as plain values."""
    data, recipe = training.data, training.recipe
    fields = dataclasses.asdict(recipe) | {"milestones": list(recipe.milestones)}
    fields.pop("source")
    return {
        "model": networks.name, "model_args": networks.arguments, "layers": describe(networks.model),
        "data": data.fingerprint, "classes": list(data.classes), "seed": training.seed,
        "precision": training.precision.name, **fields,
    }  # fmt: skip


def title_of(wanted: Wanted, name: str, data: Data) -> str:
    bits = f"{wanted.bits}-bit" if isinstance(wanted.bits, int) else "mixed"
    how = "float" if wanted.method == "float" else f"{bits} {wanted.method}"
    return f"{name}, {how}, on {Path(data.name).name}"
