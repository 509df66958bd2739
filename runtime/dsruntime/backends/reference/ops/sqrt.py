"""sqrt: ONNX's Sqrt; NaN below 0."""

import numpy as np


def sqrt(x: np.ndarray) -> np.ndarray:
    return np.sqrt(x)
