"""squeeze: without the given axes, all of size 1, ONNX's Squeeze."""

import numpy as np


def squeeze(x, *, axes):
    return np.squeeze(x, axis=tuple(axes))
