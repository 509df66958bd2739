"""folder_recipe: how the images of a folder become inputs, measured where nobody says.

color   gray if every image of the sample is, else rgb
size    the images' own if all have the same and it is at most LARGEST, else SIZE x SIZE, exact, bilinear
mean    of the sample's pixels per channel, and their standard deviation
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dscompress.errors import ModelError, TrainingError
from dsruntime.file import Image
from dsruntime.image import from_path, import_pillow, made_size, plain, resized, scaled, upright

SAMPLE, LARGEST, SIZE = 500, 64, 32
LOOK = Image("rgb", "exact", (4 * LARGEST, 4 * LARGEST), "bilinear", None, (0.0,) * 3, (1.0,) * 3)  # no smaller matters


def measured_recipe(root: Path, names: list[str], notes: list[str]) -> Image:
    images = [image for image in (opened(root / name) for name in sample(names)) if image is not None]
    if not images:
        raise TrainingError(str(root), f"none of {len(sample(names))} images can be read", "PNG, JPEG or BMP images")
    color = "gray" if all(image.mode == "L" for image in images) else "rgb"
    sizes = {image.size for image in images}
    width, height = next(iter(sizes)) if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST else (SIZE, SIZE)
    channels = 1 if color == "gray" else 3
    plainly = Image(color, "exact", (height, width), "bilinear", None, (0.0,) * channels, (1.0,) * channels)
    pixels = np.concatenate([scaled(resized(image, plainly, ""), plainly) for image in images])
    mean, deviation = pixels.mean((0, 2, 3), dtype=np.float64), pixels.std((0, 2, 3), dtype=np.float64)
    notes.append(f"preprocessing measured on {len(images)} images: {color}, {height} x {width}")
    return plainly._replace(mean=rounded(mean), std=rounded(np.maximum(deviation, 1e-3)))


def sample(names: list[str]) -> list[str]:
    """Evenly spread over the sorted names, so over the classes."""
    spread = np.linspace(0, len(names) - 1, min(SAMPLE, len(names))).round().astype(int)
    return [names[index] for index in spread]


def opened(path: Path):
    """An 8-bit gray or RGB image, shrunk to what may matter here, or None: a damaged one is training's to report."""
    try:
        image = plain(upright(from_path(import_pillow(), path, str(path), LOOK)), str(path))
    except ModelError:
        return None
    if max(image.size) > 4 * LARGEST:
        image.thumbnail((4 * LARGEST, 4 * LARGEST))
    return image


def rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


def side_of(image: Image) -> tuple[int, int]:
    """(height, width) of the input that a recipe makes; refuses one that leaves it to the image."""
    size = made_size(image)
    if size is None:
        found = f"resize {image.resize!r} without a crop: the images' sizes would differ"
        raise TrainingError("preprocess", found, "resize 'exact' or 'letterbox', or a crop")
    return size[0], size[1]
