"""How far a float16 run of one node may be from a float32 one: computed from sizes and magnitudes, nothing tuned.

    h = 2^-11: rounding to a half moves x by at most h·|x| + 2^-25 (half a subnormal step)

What goes in is rounded to halves: dscompress.verify.bounds says how far the result moves, float32 sums included. What
comes out is rounded once more. Results beyond 65504 are infinite.
"""

from __future__ import annotations

import numpy as np

from dscompress.verify.bounds import Step, bounds

H, TINY, LARGEST = 2.0**-11, 2.0**-25, 65504.0


def rounding(x: np.ndarray) -> np.ndarray:
    return H * np.abs(x, dtype=np.float64) + TINY


def fits(*arrays) -> bool:
    """Whether finite float32 numbers stay finite as halves."""
    floats = [a for a in arrays if a is not None and a.dtype.kind == "f"]
    return not any((np.isfinite(a) & (np.abs(a) > LARGEST)).any() for a in floats)


def half_bounds(node, inputs, outputs, batch: int, exact=()) -> list[np.ndarray]:
    """One bound for each output. exact: positions of inputs that are not rounded: shift weights, biases, constants."""
    deltas = [None if x is None else
              rounding(x) if x.dtype == np.float32 and i not in exact else np.zeros(x.shape)
              for i, x in enumerate(inputs)]
    deltas = [d if d is None else np.where(np.isfinite(d), d, 0) for d in deltas]
    found = bounds(Step(node, list(inputs), deltas, list(outputs), batch))
    every = []
    for y, bound in zip(outputs, found, strict=True):
        bound = np.broadcast_to(np.asarray(bound, np.float64), y.shape)
        with np.errstate(invalid="ignore"):
            every.append(bound + (rounding(np.abs(y, dtype=np.float64) + bound) if y.dtype == np.float32 else 0))
    return every


def assert_agrees(have: np.ndarray, want: np.ndarray, bound: np.ndarray, where: str) -> None:
    assert have.shape == want.shape and have.dtype == want.dtype, f"{where}: {have.dtype} {have.shape}"
    if want.dtype.kind != "f":
        free = np.broadcast_to(bound, want.shape) > 0
        apart = np.abs(have.astype(np.float64) - want.astype(np.float64)) > np.broadcast_to(bound, want.shape)
        assert not (apart & ~np.isinf(bound)).any() and (free | (have == want)).all(), f"{where}: {have} != {want}"
        return
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(have.astype(np.float64) - want.astype(np.float64))
        near = np.isfinite(want) & (np.abs(want) + bound < 65520)
        bad = near & ~(apart <= bound)
        odd = ~np.isfinite(want) & ~((have == want) | (np.isnan(have) & np.isnan(want))) & np.isfinite(bound)
    if bad.any() or odd.any():
        at = np.unravel_index((bad | odd).argmax(), want.shape)
        raise AssertionError(f"{where}: element {at} is {have[at]!r}, expected {want[at]!r} ± {bound[at]!r}; "
                             f"{(bad | odd).sum()} of {want.size}")
