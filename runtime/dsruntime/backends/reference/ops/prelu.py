"""prelu: x where x >= 0, else slope * x; slope broadcasts to x's shape, ONNX's PRelu."""

import numpy as np


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, x, slope * x)
