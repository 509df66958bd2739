"""transpose: dimension i of the result is dimension perm[i] of x, ONNX's Transpose."""

import numpy as np


def transpose(x: np.ndarray, *, perm: list[int]) -> np.ndarray:
    return np.transpose(x, perm)
