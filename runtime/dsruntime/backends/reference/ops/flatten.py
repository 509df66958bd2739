"""flatten: two dimensions, the axes before `axis` and the others, ONNX's Flatten."""

import math

import numpy as np


def flatten(x: np.ndarray, *, axis: int = 1) -> np.ndarray:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
