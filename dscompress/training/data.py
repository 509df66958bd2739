"""Data: what a network is trained and judged on. Tensors in memory, or images in a folder (folder.py).

Both kinds of images offer the same three things:

    len(images)                               how many
    images.targets                            their classes, [n] int64
    images.batches(plan, draws, recipe)       an iterator of Batch, one for each row of indices in the plan;
                                              with draws [n, DRAWS], augmented after the recipe
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from dscompress.errors import TrainingError
from dscompress.recipes import Recipe
from dscompress.training.augment import augment
from dsruntime.file import Image

if TYPE_CHECKING:
    from dscompress.training.images import Images  # which make batches of this file


@dataclass(frozen=True)
class Batch:
    images: torch.Tensor  # [k, channels, height, width] float32
    targets: torch.Tensor  # [k] int64
    skipped: tuple[str, ...] = ()  # what could not be read, as sentences
    notes: tuple[str, ...] = ()  # what was read otherwise than one might think: a large JPEG, decoded smaller


@dataclass(frozen=True)
class Tensors:
    images: torch.Tensor  # [n, channels, height, width] float32, preprocessed
    targets: torch.Tensor  # [n] int64

    def __len__(self) -> int:
        return len(self.targets)

    def batches(
        self, plan: Sequence[torch.Tensor], draws: torch.Tensor | None = None, recipe: Recipe | None = None
    ) -> Iterator[Batch]:
        for indices in plan:
            images = self.images[indices]
            if draws is not None and recipe is not None:
                images = augment(images, draws[indices], recipe)
            yield Batch(images, self.targets[indices])

    def to(self, device: torch.device) -> Tensors:
        return Tensors(self.images.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Data:
    """name: "digits", or the folder. image: how an image file becomes an input. fingerprint: changes with the data."""

    name: str
    train: Tensors | Images
    validation: Tensors | Images
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]  # (1, channels, height, width)
    image: Image | None = None
    fingerprint: str = ""
    notes: list[str] = field(default_factory=list)


def in_memory(train: Tensors, validation: Tensors, classes: Sequence[str] = (), image: Image | None = None) -> Data:
    """Data from tensors; classes are "0", "1", ... unless named. Refuses shapes and targets that do not fit."""
    for name, part in (("train", train), ("validation", validation)):
        check_tensors(name, part)
    count = 1 + int(max(train.targets.max(), validation.targets.max()))
    names = tuple(map(str, classes)) or tuple(map(str, range(count)))
    if count > len(names):
        raise TrainingError("data", f"a target is {count - 1}", f"0 to {len(names) - 1}, for {len(names)} classes")
    if train.images.shape[1:] != validation.images.shape[1:]:
        found = f"images {tuple(train.images.shape[1:])} to train on and {tuple(validation.images.shape[1:])} to judge"
        raise TrainingError("data", found, "one shape for both")
    check_classes("data", train.targets, names)
    shape = (1, *train.images.shape[1:])
    return Data("tensors", train, validation, names, shape, image, fingerprint(train, validation))


def check_tensors(name: str, part: Tensors) -> None:
    images, targets = part.images, part.targets
    if images.dim() != 4 or images.dtype != torch.float32:
        found = f"images of shape {tuple(images.shape)}, {str(images.dtype).removeprefix('torch.')}"
        raise TrainingError(f"data, {name}", found, "(n, channels, height, width), float32")
    if targets.shape != images.shape[:1] or targets.dtype != torch.int64:
        found = f"targets of shape {tuple(targets.shape)}, {str(targets.dtype).removeprefix('torch.')}"
        raise TrainingError(f"data, {name}", found, f"({len(images)},) int64, one for each image")
    if not len(images):
        raise TrainingError(f"data, {name}", "there are no images", "at least one")
    if int(targets.min()) < 0:
        raise TrainingError(f"data, {name}", f"a target is {int(targets.min())}", "0 or more")


def check_classes(where: str, targets: torch.Tensor, names: Sequence[str]) -> None:
    seen = torch.unique(targets).tolist()
    if len(seen) < 2:
        found = f"one class only ('{names[seen[0]]}')" if seen else "no class"
        raise TrainingError(where, found, "two or more, or there is nothing to learn")


def fingerprint(*parts: Tensors) -> str:
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.images.cpu().contiguous().numpy().tobytes())
        digest.update(part.targets.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
