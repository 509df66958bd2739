"""squeeze: without the given axes, all of size 1, ONNX's Squeeze."""

import numpy as np


def squeeze(x: np.ndarray, *, axes: list[int]) -> np.ndarray:
    return np.squeeze(x, axis=tuple(axes))
