"""images: files, decoded batch by batch in worker processes, damaged ones left out and named."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from dscompress.errors import ModelError
from dscompress.recipes import Recipe
from dscompress.training.augment import augment, crop_sides
from dscompress.training.data import Batch
from dsruntime.file import Image
from dsruntime.image import cropped, from_path, import_pillow, plain, resized, scaled, upright


@dataclass(frozen=True)
class Images:
    root: Path
    files: tuple[tuple[str, int], ...]  # (path below the root, class)
    image: Image
    shape: tuple[int, ...]  # (1, channels, height, width)
    workers: int = 0

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def targets(self) -> torch.Tensor:
        return torch.tensor([target for _, target in self.files], dtype=torch.int64)

    def batches(
        self, plan: Sequence[torch.Tensor], draws: torch.Tensor | None = None, recipe: Recipe | None = None
    ) -> Iterator[Batch]:
        crop = recipe.crop if draws is not None and recipe is not None else 1.0
        loader = torch.utils.data.DataLoader(
            Decoder(self, draws, crop), sampler=[indices.tolist() for indices in plan], batch_size=None,
            num_workers=min(self.workers, len(plan)), worker_init_fn=leave_interrupts_to_the_parent,
        )  # fmt: skip
        for indices, pixels, targets, skipped, notes in loader:
            if draws is not None and recipe is not None:
                pixels = augment(pixels, draws[indices], replace(recipe, crop=1.0))
            yield Batch(pixels, targets, tuple(skipped), tuple(notes))


def leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Decoder(torch.utils.data.Dataset):
    """A list of indices → those that could be read, their pixels, their classes, sentences about the others, notes."""

    def __init__(self, images: Images, draws: torch.Tensor | None, crop: float) -> None:
        self.images, self.draws, self.crop = images, draws, crop

    def __getitem__(self, indices: list[int]):
        kept, pixels, skipped = [], [], []
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", category=UserWarning, module=r"dsruntime\.")
            for index in indices:
                try:
                    pixels.append(self.decode(index))
                    kept.append(index)
                except ModelError as error:
                    skipped.append(str(error))
        stacked = np.concatenate(pixels) if pixels else np.zeros((0, *self.images.shape[1:]), np.float32)
        chosen = torch.tensor(kept, dtype=torch.int64)
        notes = [str(each.message) for each in caught]
        return chosen, torch.from_numpy(stacked), self.images.targets[chosen], skipped, notes

    def decode(self, index: int) -> np.ndarray:
        """[1, channels, height, width], as dsruntime.image.load_image but for the random crop."""
        images = self.images
        path = os.path.join(images.root, images.files[index][0])
        height, width = images.shape[2:]
        image = plain(upright(from_path(import_pillow(), path, path, images.image)), path)
        if self.draws is not None and self.crop < 1:
            return scaled(random_crop(image, self.draws[index], self.crop, (width, height), images.image), images.image)
        image = cropped(resized(image, images.image, path), images.image, path)
        if image.size != (width, height):
            raise ModelError(path, f"{image.height} x {image.width} pixels", f"{height} x {width}", "resize it")
        return scaled(image, images.image)


def random_crop(image, draws: torch.Tensor, crop: float, size: tuple[int, int], recipe: Image):
    """Cut and shrunk in one step, from the full resolution. draws [DRAWS], as augment.py describes them."""
    across, down = crop_sides(draws[None], crop)
    wide, high = max(1.0, image.width * across.item()), max(1.0, image.height * down.item())
    left, top = (image.width - wide) * draws[7].item(), (image.height - high) * draws[8].item()
    filters = import_pillow().Resampling
    return image.resize(size, getattr(filters, recipe.filter.upper()), box=(left, top, left + wide, top + high))
