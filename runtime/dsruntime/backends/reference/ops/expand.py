"""expand: x broadcast together with a shape, ONNX's Expand; a dimension 1 of the shape keeps that of x."""

import numpy as np


def expand(x: np.ndarray, *, shape: list[int]) -> np.ndarray:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape)))
