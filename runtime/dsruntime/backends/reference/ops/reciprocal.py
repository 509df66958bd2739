"""reciprocal: 1 / x, ONNX's Reciprocal."""

import numpy as np


def reciprocal(x):
    return np.float32(1) / x
