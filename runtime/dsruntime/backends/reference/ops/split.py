"""split: x cut along an axis into parts of the given lengths, ONNX's Split."""

import numpy as np


def split(x: np.ndarray, *, split: list[int], axis: int = 0) -> list[np.ndarray]:
    return np.split(x, np.cumsum(split)[:-1], axis=axis)
