"""sub: a - b with NumPy broadcasting, ONNX's Sub."""

import numpy as np


def sub(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a - b
