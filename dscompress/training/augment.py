"""augment: a batch of images, each moved, turned, zoomed, cropped and mirrored by its own row of random numbers.

All of it is one affine map per image and one bilinear sampling of the batch; what comes from outside the image is 0,
which is black where the mean of the preprocessing is 0 and the mean colour elsewhere.

    draw   0 flip   1 rotate   2, 3 shift x, y   4 zoom   5, 6 crop area, aspect   7, 8 crop centre x, y
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from dscompress.recipes import Recipe


def augment(images: torch.Tensor, draws: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """images [n, channels, height, width] float, draws [n, DRAWS] in [0, 1) → the same shape."""
    if not len(images) or not changes_anything(recipe):
        return images
    maps = affine_maps(draws.to(images.device), recipe, images.shape[-2:])
    grid = functional.affine_grid(maps.to(images.dtype), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def changes_anything(recipe: Recipe) -> bool:
    return bool(recipe.flip or recipe.rotate or recipe.shift or recipe.zoom or recipe.crop < 1)


def affine_maps(draws: torch.Tensor, recipe: Recipe, sides: Sequence[int]) -> torch.Tensor:
    """[n, 2, 3]: where each output point, in [-1, 1]², is taken from."""
    height, width = sides
    both_ways = 2 * draws - 1
    angle = both_ways[:, 1] * math.radians(recipe.rotate)
    cos, sin = torch.cos(angle), torch.sin(angle)
    across, down = crop_sides(draws, recipe.crop)
    zoom = 1 / (1 + both_ways[:, 4] * recipe.zoom)
    across, down = across * zoom, down * zoom
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0) if recipe.flip else torch.ones_like(angle)
    # Pixels are square: a rotation in pixels is one in [-1, 1]² only after the sides are taken out.
    rows = [
        torch.stack([mirror * across * cos, -down * sin * height / width, moved(both_ways[:, 2], recipe, width)], 1),
        torch.stack([mirror * across * sin * width / height, down * cos, moved(both_ways[:, 3], recipe, height)], 1),
    ]
    maps = torch.stack(rows, 1)
    maps[:, 0, 2] += both_ways[:, 7] * (1 - across.clamp(max=1)) * (recipe.crop < 1)
    maps[:, 1, 2] += both_ways[:, 8] * (1 - down.clamp(max=1)) * (recipe.crop < 1)
    return maps


def crop_sides(draws: torch.Tensor, crop: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Parts of the width and height that a crop keeps: area from `crop` to 1, aspect from 3:4 to 4:3, log-uniform."""
    if crop >= 1:
        return torch.ones_like(draws[:, 5]), torch.ones_like(draws[:, 5])
    area = crop + (1 - crop) * draws[:, 5]
    aspect = torch.exp((2 * draws[:, 6] - 1) * math.log(4 / 3))
    return (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)


def moved(both_ways: torch.Tensor, recipe: Recipe, side: int) -> torch.Tensor:
    """The shift in units of [-1, 1]; whole pixels where nothing else blurs the image anyway."""
    pixels = both_ways * recipe.shift * side
    exact = not (recipe.rotate or recipe.zoom or recipe.crop < 1)
    return (torch.round(pixels) if exact else pixels) * 2 / side
