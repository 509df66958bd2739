"""folder: images of a folder as Data, one sub-folder a class.

    DATA/train/cat/1.png, DATA/val/cat/9.png ...     as it is: val may be called validation, valid or test
    DATA/cat/1.png, DATA/dog/2.png ...               `held_out` of each class to judge on, chosen by the hash of the
                                                     file's name: files that come later move no others

What counts are .png, .jpg, .jpeg and .bmp files at any depth; hidden files do not.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch

from dscompress.errors import TrainingError
from dscompress.training.data import Data, check_classes
from dscompress.training.folder_recipe import measured_recipe, side_of
from dscompress.training.images import Images
from dsruntime.file import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
JUDGED_ON = ("val", "validation", "valid", "test")
EXPECTED = "a folder with a sub-folder of images for each class, or train/ and val/ with such sub-folders"


def image_folder(path: str | os.PathLike, image: Image | None = None, held_out: float = 0.2, workers: int = 0) -> Data:
    """image: how a file becomes an input; without it, colour, size, mean and deviation are measured on the folder."""
    root = Path(path)
    names = sub_folders(root)
    if "train" in names:
        train, classes = listed(root / "train")
        judged_on = next((root / name for name in JUDGED_ON if name in names), None)
        if judged_on is None:
            raise TrainingError(str(root), "has train/ but nothing to judge on", f"one of {', '.join(JUDGED_ON)} too")
        validation, others = listed(judged_on)
        check_same_classes(root, judged_on, classes, others)
    else:
        files, classes = listed(root)
        train, validation = split(files, held_out)
    check_classes(str(root), torch.tensor([target for _, target in train]), classes)
    if not validation:
        raise TrainingError(str(root), "no image is left to judge on", "two or more images of a class")
    notes: list[str] = []
    if image is None:
        image = measured_recipe(root, [name for name, _ in train], notes)
    shape = (1, 1 if image.color == "gray" else 3, *side_of(image))
    learned, judged = (Images(root, tuple(files), image, shape, workers) for files in (train, validation))
    return Data(str(root), learned, judged, classes, shape, image, fingerprint(train, validation), notes)


def sub_folders(root: Path) -> list[str]:
    try:
        entries = list(os.scandir(root))
    except FileNotFoundError:
        raise TrainingError(str(root), "no such folder", EXPECTED) from None
    except NotADirectoryError:
        raise TrainingError(str(root), "is a file", EXPECTED) from None
    except OSError as error:
        raise TrainingError(str(root), f"cannot be read ({(error.strerror or str(error)).lower()})", EXPECTED) from None
    names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        loose = any(entry.name.lower().endswith(ENDINGS) for entry in entries)
        found = "has images but no sub-folders" if loose else "is empty" if not entries else "has no sub-folders"
        raise TrainingError(str(root), found, EXPECTED)
    return names


def listed(folder: Path) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """(path below the data folder, class) of every image, sorted, and the classes' names."""
    classes = tuple(sub_folders(folder))
    root = folder.parent if folder.name in ("train", *JUDGED_ON) else folder
    files = [(name, target) for target, each in enumerate(classes) for name in images_below(root, folder / each)]
    if not files:
        raise TrainingError(
            str(folder), f"no images in its {len(classes)} sub-folders", f"files ending in {', '.join(ENDINGS)}"
        )
    return files, classes


def images_below(root: Path, folder: Path) -> list[str]:
    def refuse(error: OSError):
        reason = (error.strerror or str(error)).lower()
        raise TrainingError(str(error.filename), f"cannot be read ({reason})", "", "make it readable, or move it away")

    found = []
    for at, inner, names in os.walk(folder, onerror=refuse, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [os.path.relpath(os.path.join(at, name), root) for name in names if is_image(name)]
    return sorted(found)


def is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def split(files: list[tuple[str, int]], held_out: float) -> tuple[list, list]:
    """Of each class, those with the smallest hashes are held out: at least one where there are two or more."""
    held: set[str] = set()
    for each in {target for _, target in files}:
        names = sorted((name for name, target in files if target == each), key=hash_of)
        count = max(1, round(held_out * len(names))) if held_out and len(names) > 1 else 0
        held.update(names[: min(count, len(names) - 1)])
    return [file for file in files if file[0] not in held], [file for file in files if file[0] in held]


def hash_of(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def check_same_classes(root: Path, judged_on: Path, classes: tuple[str, ...], others: tuple[str, ...]) -> None:
    if classes != others:
        only = sorted(set(classes) ^ set(others))
        found = f"train/ and {judged_on.name}/ have different classes: {', '.join(only[:10])} in one of them alone"
        raise TrainingError(str(root), found, "the same sub-folders in both")


def fingerprint(*parts: list[tuple[str, int]]) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
