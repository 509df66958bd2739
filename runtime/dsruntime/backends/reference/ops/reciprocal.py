"""reciprocal: 1 / x, ONNX's Reciprocal."""

import numpy as np


def reciprocal(x: np.ndarray) -> np.ndarray:
    return np.float32(1) / x
