"""How far two arrays are apart: largest difference, signal-to-noise ratio, top-1 agreement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OutputDifference:
    name: str
    error: float
    snr: float
    top1: float | None  # share of rows of numbers whose largest entry is the same; None: no such rows


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """|ours - theirs| in float64; 0 where both are the same infinity or both no number, infinite where only one is."""
    if ours.shape != theirs.shape:
        return np.full(theirs.shape, np.inf)
    with np.errstate(all="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    same = (ours == theirs) | ((ours != ours) & (theirs != theirs))
    return np.where(np.isfinite(apart), apart, np.where(same, 0, np.inf))


def output_difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> OutputDifference:
    apart = difference(ours, theirs)
    top1 = None
    if ours.dtype.kind == "f" and ours.ndim >= 2 and ours.shape[-1] > 1 and ours.shape == theirs.shape and ours.size:
        rows = np.isfinite(theirs).all(-1)
        top1 = float((ours.argmax(-1) == theirs.argmax(-1))[rows].mean()) if rows.any() else None
    return OutputDifference(name, largest(apart), snr(apart, theirs), top1)


def snr(apart: np.ndarray, theirs: np.ndarray) -> float:
    """Signal-to-noise ratio in dB; infinite: no noise."""
    noise = float(np.sum(np.square(apart)))
    if noise == 0:
        return math.inf
    with np.errstate(all="ignore"):
        signal = float(np.sum(np.square(theirs, dtype=np.float64)))
    return 10 * math.log10(signal / noise) if 0 < signal < math.inf and noise < math.inf else -math.inf


def largest(array: np.ndarray) -> float:
    return float(array.max()) if array.size else 0.0
