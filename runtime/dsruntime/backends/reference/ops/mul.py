"""mul: a * b with NumPy broadcasting, ONNX's Mul."""

import numpy as np


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b
