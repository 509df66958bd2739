"""pow: a to the power b with NumPy broadcasting, ONNX's Pow."""

import numpy as np


def pow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.power(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
