"""log: natural logarithm, ONNX's Log; NaN below 0."""

import numpy as np


def log(x: np.ndarray) -> np.ndarray:
    return np.log(x.astype(np.float64)).astype(np.float32)
