"""top_k: the k largest (or smallest) entries along an axis and their indices, ONNX's TopK.

Sorted, the lower index first where entries are equal; NaN is larger than any number.
"""

import numpy as np


def top_k(x: np.ndarray, *, k: int, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(np.flip(x, axis) if largest else x, axis=axis, kind="stable")
    if largest:  # from the end and back again: descending, and equal entries in their order
        order = x.shape[axis] - 1 - np.flip(order, axis)
    order = np.take(order, np.arange(k), axis=axis)
    return np.take_along_axis(x, order, axis=axis), order.astype(np.int64)
