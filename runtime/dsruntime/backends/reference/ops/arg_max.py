"""arg_max: the index of the largest entry along an axis, ONNX's ArgMax.

The first of equal entries, or the last with select_last_index; NaN is larger than any number.
"""

import numpy as np


def arg_max(x: np.ndarray, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> np.ndarray:
    if not select_last_index:
        return np.argmax(x, axis=axis, keepdims=bool(keepdims)).astype(np.int64)
    last = np.argmax(np.flip(x, axis), axis=axis, keepdims=bool(keepdims))
    return (x.shape[axis] - 1 - last).astype(np.int64)
