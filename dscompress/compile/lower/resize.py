"""Resize and its predecessor Upsample: nearest and linear, over the spatial axes."""

from __future__ import annotations

import numpy as np

from dscompress.compile.lower.source import Lowered, Source, Unsupported, compact, positive

COORDINATES = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resize(source: Source) -> Lowered:
    source.refuse_attribute("antialias", 0, "resize without antialias, or outside the model")
    source.refuse_attribute("exclude_outside", 0)
    source.refuse_attribute("keep_aspect_ratio_policy", "stretch", "give the sizes that it comes to")
    modern = source.opset >= 11
    scales = given_scales(source, 2 if modern else 1)
    mode = source.text("mode", "nearest")
    coordinates = source.text("coordinate_transformation_mode", "half_pixel" if modern else "asymmetric")
    nearest = source.text("nearest_mode", "round_prefer_floor" if modern else "floor")
    return lowered(source, mode, coordinates, nearest, scales)


def upsample(source: Source) -> Lowered:
    return lowered(source, source.text("mode", "nearest"), "asymmetric", "floor", given_scales(source, 1))


def given_scales(source: Source, index: int) -> list[float] | None:
    """One scale for each axis, or None where sizes were given instead."""
    scales = source.parameter(index, "scales")
    if not scales:
        return None
    rank = len(source.shape())
    axes = [positive(axis, rank) for axis in source.integers("axes", list(range(rank)))]
    result = [1.0] * rank
    for axis, scale in zip(axes, scales, strict=True):
        result[axis] = float(scale)
    return result


def lowered(source: Source, mode: str, coordinates: str, nearest: str, scales: list[float] | None) -> Lowered:
    before, after = source.shape(), source.output_shape()
    if mode not in ("nearest", "linear"):
        raise Unsupported(f"mode={mode!r} is not supported", 'use "nearest" or "bilinear"')
    if coordinates not in COORDINATES:
        raise Unsupported(f"coordinate_transformation_mode={coordinates!r} is not supported", f"use {COORDINATES[0]!r}")
    if nearest not in NEAREST:
        raise Unsupported(f"nearest_mode={nearest!r} is not supported", f"use {NEAREST[0]!r}")
    if len(before) not in (3, 4) or before[:2] != after[:2]:
        raise Unsupported(f"it resizes {before} to {after}", "resize the spatial axes of a 3-d or 4-d tensor")
    if scales is None:
        scales = [1.0, 1.0, *(float(np.float32(b) / np.float32(a)) for a, b in zip(before[2:], after[2:], strict=True))]
    attributes = compact(
        mode=(mode, "nearest"),
        coordinate_transformation_mode=(coordinates, "half_pixel"),
        nearest_mode=(nearest, "round_prefer_floor"),
    )
    if mode == "linear":
        attributes.pop("nearest_mode", None)
    return Lowered("resize", source.floats(0), {**attributes, "sizes": list(after), "scales": scales})
