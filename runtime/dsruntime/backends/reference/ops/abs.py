"""abs: |x|, ONNX's Abs."""

import numpy as np


def abs(x: np.ndarray) -> np.ndarray:
    return np.abs(x)
