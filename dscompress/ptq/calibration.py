"""Calibration inputs from where people have them: a folder of images, an array file, or the built-in digits.

    a folder    PNG, JPEG and BMP files, sub-folders included, prepared by the model's image recipe
    .npy        one array [count, ...], as the model takes it
    .npz        one array for each input of the model: by the inputs' names, else in the order of the file
    digits      scikit-learn's scans, [1, 8, 8] in [0, 1]; those that a held-out quarter leaves

Of more than `count` inputs an even selection is taken. A damaged image is skipped, counted and named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dscompress.errors import BackendError, CompileError, ModelError
from dscompress.npy import ZIP, first_bytes, load_npy, load_npz
from dsruntime.file import Image
from dsruntime.image import load_image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
DIGITS = "digits"
LARGEST = 8 << 30  # bytes of all arrays
NAMED = 5  # skipped images that a message names


@dataclass
class Inputs:
    """arrays: one for each input of the model, [count, ...]. skipped: images that could not be used, and why."""

    arrays: list[np.ndarray]
    source: str
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        if not self.skipped:
            return []
        shown = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:NAMED])
        more = f"; and {len(self.skipped) - NAMED} more" if len(self.skipped) > NAMED else ""
        images = "1 image was" if len(self.skipped) == 1 else f"{len(self.skipped)} images were"
        return [f"{images} skipped: {shown}{more}"]


def load_inputs(source: str, shapes: list[tuple], names: list[str], recipe: Image | None, count: int) -> Inputs:
    """shapes, names: of the model's inputs, the batch first. recipe: how an image becomes the first of them."""
    path = Path(source)
    if source == DIGITS and not path.exists():
        return Inputs([even(digits(), count)], DIGITS)
    if path.is_dir():
        return from_folder(path, shapes, recipe, count)
    if not path.exists():
        what = f"a folder of images, a .npy or .npz file, or '{DIGITS}'"
        raise CompileError(source, "there is no such folder or file", what, "check --inputs")
    try:
        arrays = from_archive(path, names) if first_bytes(path).startswith(ZIP) else [load_npy(path, LARGEST)]
    except ModelError as error:
        raise CompileError(error.where, error.found, error.expected, error.what_to_do) from None
    return Inputs([even(numbers(array, source), count) for array in arrays], source)


def even(array: np.ndarray, count: int) -> np.ndarray:
    return array if len(array) <= count else array[np.arange(count) * len(array) // count]


def from_folder(folder: Path, shapes: list[tuple], recipe: Image | None, count: int) -> Inputs:
    where = os.fspath(folder)
    if len(shapes) != 1:
        raise CompileError(
            where,
            f"images for a model of {len(shapes)} inputs",
            "one input",
            "give an .npz file with one array for each",
        )
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    except OSError as error:
        raise CompileError(where, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not os.access(folder, os.R_OK | os.X_OK):
        raise CompileError(where, "cannot be read: permission denied", what_to_do="make it readable (chmod u+rx)")
    if not files:
        raise CompileError(where, "no image in it or its sub-folders", f"files that end in {', '.join(ENDINGS)}")
    if recipe is None:
        raise CompileError(
            where,
            "how an image becomes the model's input is not said",
            what_to_do="add --preprocess imagenet, cifar, mnist, digits, or a JSON file",
        )
    return Inputs(*read_images(files, where, shapes[0], recipe, count))


def read_images(files: list[Path], where: str, shape: tuple, recipe: Image, count: int):
    """An even selection; an image that cannot be read is made up for by others that were not selected."""
    chosen = [files[i * len(files) // count] for i in range(count)] if len(files) > count else files
    rest = iter(path for path in files if path not in set(chosen))
    images, skipped, expected = [], [], tuple(d if isinstance(d, int) else "N" for d in shape)
    for path in chosen:
        candidate: Path | None = path
        while candidate is not None:
            try:
                images.append(load_image(candidate, recipe, ("N", *expected[1:]))[0])
                break
            except ModelError as error:
                skipped.append((os.path.relpath(candidate, where), error.found))
                candidate = next(rest, None)
    if not images:
        name, reason = skipped[0]
        raise CompileError(
            where,
            f"none of its {len(skipped)} images can be used; {name}: {reason}",
            what_to_do="check the images, --preprocess and --input-shape",
        )
    return [np.stack(images)], where, skipped


def from_archive(path: Path, names: list[str]) -> list[np.ndarray]:
    found = dict(load_npz(path, LARGEST))
    return [found[key] for key in (names if set(names) <= set(found) else found)]


def numbers(array: np.ndarray, where: str) -> np.ndarray:
    if array.ndim == 0:
        raise CompileError(where, "holds a single number", "numbers, [count, ...]")
    return array


def digits() -> np.ndarray:
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise BackendError(
            "digits", "scikit-learn, which holds them, is not installed", "", 'pip install "dscompress[demo]"'
        ) from None
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    return train_test_split(images, test_size=0.25, stratify=data.target, random_state=0)[0]
