"""top_k: the k largest (or smallest) entries along an axis and their indices, ONNX's TopK.

Sorted, the lower index first where entries are equal; NaN comes last.
"""

import numpy as np


def top_k(x, *, k, axis=-1, largest=1, sorted=1):
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    order = np.take(order, np.arange(k), axis=axis)
    return np.take_along_axis(x, order, axis=axis), order.astype(np.int64)
