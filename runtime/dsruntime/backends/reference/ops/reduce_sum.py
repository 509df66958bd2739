"""reduce_sum: the sum over some axes, ONNX's ReduceSum. Sums in float64."""

import numpy as np


def reduce_sum(x: np.ndarray, *, axes: list[int], keepdims: int = 1) -> np.ndarray:
    return x.sum(axis=tuple(axes), keepdims=bool(keepdims), dtype=np.float64).astype(np.float32)
