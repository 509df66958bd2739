"""history: what every epoch of a training came to, and its two files: metrics.jsonl and curves.png (curves.py)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    epoch: int  # 1 is the first
    rate: float  # the learning rate at its end
    loss: float  # per image, with regularisation, while it learned
    accuracy: float  # 0..1, on the augmented images, while it learned
    validation_loss: float  # cross-entropy per image
    validation_accuracy: float  # 0..1
    skipped: int  # images that could not be read
    seconds: float
    judged: int = 0  # images that validation_loss and validation_accuracy are of


@dataclass
class History:
    epochs: list[Epoch] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # a sentence for each damaged image, once
    notes: list[str] = field(default_factory=list)  # and for each that was read otherwise than one might think

    @property
    def accuracy(self) -> float:
        """Of the last epoch, on the images to judge on."""
        return self.epochs[-1].validation_accuracy

    @property
    def best(self) -> Epoch:
        """The first of the epochs with the highest accuracy on the images to judge on."""
        return max(self.epochs, key=lambda each: each.validation_accuracy)

    def note_skipped(self, sentences: tuple[str, ...]) -> list[str]:
        """Remembers them; returns those that are new."""
        new = [text for text in dict.fromkeys(sentences) if text not in self.skipped]
        self.skipped += new
        return new

    def note(self, sentences: tuple[str, ...]) -> None:
        """Remembers each once."""
        self.notes += [text for text in dict.fromkeys(sentences) if text not in self.notes]

    def json_lines(self) -> bytes:
        return b"".join(json.dumps(dataclasses.asdict(each)).encode() + b"\n" for each in self.epochs)

    def plain(self) -> dict:
        return {
            "epochs": [dataclasses.asdict(each) for each in self.epochs],
            "skipped": list(self.skipped),
            "notes": list(self.notes),
        }

    @classmethod
    def from_plain(cls, values: dict) -> History:
        return cls([Epoch(**each) for each in values["epochs"]], list(values["skipped"]), list(values.get("notes", ())))
