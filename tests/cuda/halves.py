"""One node on the emulated GPU against the reference, by the bounds of dscompress.verify."""

from __future__ import annotations

import numpy as np

from dscompress.verify.bounds import Step, bounds
from dscompress.verify.bounds.halves import LARGEST, VALUES, rounding, weight_delta


def fits(*arrays) -> bool:
    """Whether finite float32 numbers stay finite as halves."""
    floats = [a for a in arrays if a is not None and a.dtype.kind == "f"]
    return not any((np.isfinite(a) & (np.abs(a) > LARGEST)).any() for a in floats)


def half_bounds(node, inputs, outputs, batch: int, weights=(), shift: bool = False) -> list[np.ndarray]:
    """One bound for each output. weights: positions of stored inputs, exact but where tensor cores read raw ones."""
    deltas: list = []
    for i, x in enumerate(inputs):
        if x is None:
            deltas.append(None)
        elif i in weights:
            deltas.append(weight_delta(node.op, i, x, shift and i == 1))
        else:
            deltas.append(rounding(x) if x.dtype == np.float32 else np.zeros(x.shape))
    found = bounds(Step(node, list(inputs), deltas, list(outputs), batch, VALUES))
    return [np.broadcast_to(bound, y.shape) for y, bound in zip(outputs, found, strict=True)]


def assert_agrees(have: np.ndarray, want: np.ndarray, bound: np.ndarray, where: str) -> None:
    """Numbers within the bound, what is beyond float16 free to be infinite, NaN and infinities where they belong."""
    assert have.shape == want.shape and have.dtype == want.dtype, f"{where}: {have.dtype} {have.shape}"
    with np.errstate(all="ignore"):
        apart = np.abs(have.astype(np.float64) - want.astype(np.float64))
        finite = np.isfinite(want.astype(np.float64))
        near = finite & ((np.abs(want.astype(np.float64)) + bound < 65520) | (want.dtype.kind != "f"))
        equal = (have == want) | ((have != have) & (want != want))
        bad = (near & ~(apart <= bound)) | (~finite & ~equal & np.isfinite(bound))
    if bad.any():
        at = np.unravel_index(bad.argmax(), want.shape)
        raise AssertionError(
            f"{where}: element {at} is {have[at]!r}, expected {want[at]!r} ± {bound[at]!r}; {bad.sum()} of {want.size}"
        )
