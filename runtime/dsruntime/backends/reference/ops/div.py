"""div: a / b with NumPy broadcasting, ONNX's Div."""

import numpy as np


def div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / b
