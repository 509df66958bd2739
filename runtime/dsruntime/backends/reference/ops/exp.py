"""exp: e^x, ONNX's Exp."""

import numpy as np


def exp(x: np.ndarray) -> np.ndarray:
    return np.exp(x.astype(np.float64)).astype(np.float32)
