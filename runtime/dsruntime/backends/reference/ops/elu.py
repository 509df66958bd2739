"""elu: x where x >= 0, else alpha * (e^x - 1), ONNX's Elu."""

import numpy as np


def elu(x: np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
    return np.where(x >= 0, x, alpha * np.expm1(x.astype(np.float64))).astype(np.float32)
