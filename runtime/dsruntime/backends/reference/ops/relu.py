"""relu: max(x, 0), ONNX's Relu; NaN stays NaN."""

import numpy as np


def relu(x):
    return np.maximum(x, np.float32(0))
