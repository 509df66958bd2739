"""resize: spatial axes resampled, ONNX's Resize without anti-aliasing.

    half_pixel           x = (i + 1/2) / scale - 1/2
    pytorch_half_pixel   the same; 0 where the result has one entry
    align_corners        x = i * (size - 1) / (resized - 1); 0 where the result has one entry
    asymmetric           x = i / scale

for index i of the result, in float32 as ONNX Runtime has it. `resized` is the whole length of the result, as in ONNX's
text, ONNX Runtime and PyTorch, also where size * scale is a fraction (4 * 0.6 is 2.4, resized 2); one of ONNX's own
tests divides by 2.4 - 1 there. nearest rounds x after nearest_mode and clamps it to the input; linear clamps x and
mixes its two neighbours, axis by axis.
"""

from collections.abc import Callable

import numpy as np

NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(
    x: np.ndarray,
    *,
    sizes: list[int],
    scales: list[float] | None = None,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
) -> np.ndarray:
    y = x
    for axis, resized in enumerate(sizes):
        size = x.shape[axis]
        scale = scales[axis] if scales else resized / size
        if resized == size and scale == 1:
            continue
        at = coordinates(size, resized, np.float32(scale), coordinate_transformation_mode).astype(np.float64)
        if mode == "nearest":
            y = np.take(y, np.clip(NEAREST[nearest_mode](at), 0, size - 1).astype(np.int64), axis=axis)
        else:
            y = mix_neighbours(y, np.clip(at, 0, size - 1), axis)
    return y.astype(x.dtype)


def coordinates(size: int, resized: int, scale: np.float32, mode: str) -> np.ndarray:
    i = np.arange(resized, dtype=np.float32)
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * np.float32(size - 1) / np.float32(max(resized - 1, 1))
    if mode == "pytorch_half_pixel" and resized == 1:
        return i
    return (i + np.float32(0.5)) / scale - np.float32(0.5)


def mix_neighbours(y: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    left = np.floor(at).astype(np.int64)
    right = np.minimum(left + 1, y.shape[axis] - 1)
    part = (at - left).reshape(-1, *[1] * (y.ndim - 1 - axis))
    return np.take(y, left, axis=axis) * (1 - part) + np.take(y, right, axis=axis) * part
