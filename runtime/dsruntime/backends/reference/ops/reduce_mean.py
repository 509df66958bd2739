"""reduce_mean: the mean over some axes, ONNX's ReduceMean. Sums in float64."""

import numpy as np


def reduce_mean(x: np.ndarray, *, axes: list[int], keepdims: int = 1) -> np.ndarray:
    return x.mean(axis=tuple(axes), keepdims=bool(keepdims), dtype=np.float64).astype(np.float32)
