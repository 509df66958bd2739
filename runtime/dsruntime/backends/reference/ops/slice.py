"""slice: x[start:end:step] along some axes, ONNX's Slice.

A negative start or end counts from the end of its axis; then both are clamped:

    step > 0   start to 0..size, end to 0..size
    step < 0   start to 0..size-1, end to -1..size-1
"""

import numpy as np


def slice(x: np.ndarray, *, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> np.ndarray:
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start = min(max(start + size if start < 0 else start, 0), high)
        end = min(max(end + size if end < 0 else end, low), high)
        x = np.take(x, np.arange(start, end, step), axis=axis)
    return x
