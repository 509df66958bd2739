"""run: the folder of one training run. Each file is replaced in one step; the process of rank 0 alone writes.

    last.pt         everything, after every finished epoch: export takes it, and --resume goes on from it
    best.pt         the network with the highest accuracy on the images to judge on; without the optimiser
    metrics.jsonl   one line an epoch: history.Epoch
    curves.png      the same, drawn

A process that dies loses the epoch that it was in. `settings` is what a run was started with: one that is resumed with
others would not be the same run, and is refused.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dscompress import checkpoint
from dscompress.atomic_file import check_target, write_atomically
from dscompress.checkpoint import Card
from dscompress.errors import TrainingError
from dscompress.training.curves import draw_curves
from dscompress.training.fit import Training

DRAW_EVERY = 30  # seconds: drawing takes a quarter of one


@dataclass
class Run:
    folder: Path
    card: Card
    settings: Mapping[str, Any]
    title: str
    drawn: float = field(default_factory=time.monotonic)

    @property
    def last(self) -> Path:
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        return self.folder / "best.pt"

    def start(self, training: Training) -> None:
        """A new run: refuses a folder that holds one, and proves that the folder can be written to."""
        make_folder(self.folder)
        if self.last.exists():
            raise TrainingError(str(self.folder), "holds a training run already", "",
                                "add --resume to go on with it, or give another folder")  # fmt: skip
        self.save_last(training)

    def resumed(self) -> dict[str, Any]:
        """What the last finished epoch left, if it was of a run with these settings."""
        values = checkpoint.load(self.last)
        if "training" not in values:
            raise TrainingError(str(self.last), "holds a network, but not the state of its training", "a last.pt",
                                f"start a new run from it: --weights {self.last}")  # fmt: skip
        before = values.get("settings", {})
        different = sorted(key for key in {*before, *self.settings} if before.get(key) != self.settings.get(key))
        if different:
            changes = (f"{key} {before.get(key)!r} then, {self.settings.get(key)!r} now" for key in different[:5])
            raise TrainingError(str(self.last), f"was made with other settings: {', '.join(changes)}", "the same ones",
                                "repeat the command as it was; for others, start a new run with --weights")  # fmt: skip
        return {**values["training"], "state_dict": values["state_dict"]}

    def save(self, training: Training) -> None:
        """After an epoch: best before last, so that whatever happens in between is done again."""
        history = training.history
        if history.best is history.epochs[-1]:
            now = {"epoch": history.best.epoch, "accuracy": history.best.validation_accuracy}
            checkpoint.save(self.best, checkpoint.pack(self.card, training.model, settings=dict(self.settings), **now))
        self.save_last(training)
        write_atomically(self.folder / "metrics.jsonl", history.json_lines(), Path.read_bytes)
        if training.epoch == training.recipe.epochs or time.monotonic() - self.drawn > DRAW_EVERY:
            self.draw(training)

    def save_last(self, training: Training) -> None:
        state = training.state()
        del state["state_dict"]
        checkpoint.save(self.last, checkpoint.pack(
            self.card, training.model, settings=dict(self.settings), training=state))  # fmt: skip

    def draw(self, training: Training) -> None:
        if training.history.epochs:
            write_atomically(self.folder / "curves.png", draw_curves(training.history, self.title), Path.read_bytes)
        self.drawn = time.monotonic()


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise TrainingError(str(folder), "is a file", "a folder to write to") from None
    except OSError as error:
        raise TrainingError(str(folder), f"cannot be made ({(error.strerror or str(error)).lower()})",
                            what_to_do="give another folder") from None  # fmt: skip
    check_target(folder / "last.pt")
