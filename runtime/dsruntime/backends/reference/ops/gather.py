"""gather: the entries of x at int64 indices along an axis, ONNX's Gather; a negative index counts from the end."""

import numpy as np

from dsruntime.errors import ModelError


def gather(x: np.ndarray, indices: np.ndarray, *, axis: int = 0) -> np.ndarray:
    size = x.shape[axis]
    wrong = indices[(indices < -size) | (indices >= size)]
    if wrong.size:
        raise ModelError("gather", f"index {wrong[0]}", f"{-size} to {size - 1}", "check the indices you gave")
    return np.take(x, indices, axis=axis)
