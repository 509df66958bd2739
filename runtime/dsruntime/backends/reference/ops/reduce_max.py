"""reduce_max: the largest entry over some axes, ONNX's ReduceMax; NaN wins."""

import numpy as np


def reduce_max(x: np.ndarray, *, axes: list[int], keepdims: int = 1) -> np.ndarray:
    return np.asarray(x.max(axis=tuple(axes), keepdims=bool(keepdims)))
