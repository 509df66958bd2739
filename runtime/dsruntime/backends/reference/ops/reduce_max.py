"""reduce_max: the largest entry over some axes, ONNX's ReduceMax; NaN wins."""

import numpy as np


def reduce_max(x, *, axes, keepdims=1):
    return np.asarray(x.max(axis=tuple(axes), keepdims=bool(keepdims)))
